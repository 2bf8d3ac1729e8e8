import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { damaged } from '../storage/damaged.ts';
import { FileSystem } from '../storage/file-system.ts';
import { Iso9660 } from '../storage/iso9660/iso9660.ts';
import { openDisk } from '../storage/open-disk.ts';
import { Volume } from '../storage/volume.ts';
import { guestFilesPath } from './recipe.ts';
import { type Seed, seedFiles, writeSeed } from './seed.ts';

const folder = mkdtempSync(join(tmpdir(), 'partout-seed-'));
after(() => rmSync(folder, { recursive: true }));

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB+/= alice@"home": #1';
const SEED: Seed = {
  hostname: 'web-1.example', user: 'alice', password: 'a "b" # c', sshKeys: [KEY], address: '10.0.0.2/24',
  gateway: '10.0.0.1', nameServers: ['10.0.0.1', '10.0.0.9'],
};

test('a seed is a disc with the label and the files of a NoCloud data source', () => {
  const path = join(folder, 'seed.iso');
  writeSeed(path, SEED, 0);
  const disk = openDisk(path, { readOnly: true });
  const volume = new Volume(disk, path, 0, disk.geometry.sizeBytes);
  const files = new FileSystem(new Iso9660(volume), (what) => damaged(volume, what));
  assert.equal(files.label.toLowerCase(), 'cidata');
  for (const [name, text] of seedFiles(SEED)) assert.equal(files.readText(name, 10_000), text);
  disk.closeSync();
  assert.throws(() => writeSeed(path, SEED, 0), /is there already/);
});

/** The first boot's own reader, shown as JSON-like text. */
function asRead(text: string): string {
  const script = guestFilesPath('debian/files/usr/lib/partout/first-boot');
  const { status, stdout, stderr } = spawnSync('perl', [script, '--show'], { input: text, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

const skip = spawnSync('perl', ['-v']).status !== 0 && 'there is no perl here';

test('the first boot reads in it what was meant', { skip }, () => {
  const files = seedFiles(SEED);
  assert.equal(asRead(files.get('user-data')!), '{"hostname":"web-1.example","users":[{"groups":"sudo","lock_passwd":'
    + '"false","name":"alice","plain_text_passwd":"a \\"b\\" # c","shell":"/bin/bash","ssh_authorized_keys":['
    + '"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB+/= alice@\\"home\\": #1"],"sudo":"ALL=(ALL) NOPASSWD:ALL"}]}');
  assert.equal(asRead(files.get('network-config')!), '{"ethernets":{"eth0":{"addresses":["10.0.0.2/24"],"dhcp4":'
    + '"false","gateway4":"10.0.0.1","match":{"name":"e*"},"nameservers":{"addresses":["10.0.0.1","10.0.0.9"]}}},'
    + '"version":"2"}');
  assert.match(files.get('meta-data')!, /^instance-id: "iid-[0-9a-f]{16}"\nlocal-hostname: "web-1\.example"\n$/);
});

test('the first boot reads other forms of YAML', { skip }, () => {
  const text = '#cloud-config\n# a comment\n---\nusers:\n- default\n- {name: bob, sudo: false}\n- name: \'it\'\'s\'\n'
    + 'write_files:\n  - content: |\n      a: b\n        # kept\n\n      c\n    path: /x\n  -\n    path: "/y\\tz"\n'
    + 'runcmd: [ [ls, "-l, a"],\n  "b" ]\nempty:\nlast: >-\n  one\n  two\n';
  assert.equal(asRead(text), '{"empty":null,"last":"one two","runcmd":[["ls","-l, a"],"b"],"users":["default",'
    + '{"name":"bob","sudo":"false"},{"name":"it\'s"}],'
    + '"write_files":[{"content":"a: b\\n  # kept\\n\\nc\\n","path":"/x"},'
    + '{"path":"/y\tz"}]}');
});

for (const [seed, sentence] of [
  [{ hostname: '-x' }, /"-x" is no host name/], [{ user: 'Root' }, /is no user's name/],
  [{ sshKeys: ['PRIVATE KEY'] }, /is no line of an SSH public key/], [{ address: '10.0.0.1' }, /with a prefix length/],
  [{ gateway: '10.0.0.1' }, /go with a fixed address/], [{ password: 'x' }, /a password is for a user/],
  [{ userData: '#!/bin/sh', user: 'a' }, /give one or the other/],
] as const) {
  test(`a seed with ${JSON.stringify(seed)} is refused in a sentence`, () => {
    assert.throws(() => writeSeed(join(folder, 'none.iso'), seed, 0), sentence);
  });
}
