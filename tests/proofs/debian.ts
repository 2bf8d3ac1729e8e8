/**
 * The Debian that a guest of ours installed, on a disk of some form: it boots without --kernel, a seed names it and its
 * user, nothing has failed, a package of a local repository installs, and the disk is right afterwards:
 * `debian.js vhdx|vhdx-fixed|vhd|raw|chain`.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeSeed } from '../../src/images/seed.ts';
import { convertDisk } from '../../src/storage/convert.ts';
import { createChild } from '../../src/storage/create-disk.ts';
import { HostFile } from '../../src/storage/host-file.ts';
import { IsoWriter } from '../../src/storage/iso9660/iso-writer.ts';
import { Guest, guestImage } from '../guest.ts';
import { judgeDisk } from '../installed-disk.ts';
import { PACKAGE, repositoryOf } from './package-repository.ts';

const BOOT_MS = 40 * 60_000;
const COMMAND_MS = 15 * 60_000;

/** A disk of the form that was asked for, a copy or a descendant of the image's. */
async function makeDisk(form: string, base: string, folder: string): Promise<string> {
  const path = join(folder, `disk-${form}`);
  switch (form) {
    case 'chain': {
      const links = [1, 2, 3].map((depth) => join(folder, `child-${depth}.vhdx`));
      links.forEach((link, index) => createChild(link, links[index - 1] ?? base));
      return links.at(-1)!;
    }
    case 'vhdx': case 'vhd': case 'raw': await convertDisk(base, path, { format: form }); return path;
    case 'vhdx-fixed': await convertDisk(base, path, { format: 'vhdx', isFixed: true }); return path;
    default: throw new Error(`there is no form ${form}`);
  }
}

/** A repository of one package, as a disc. */
function makeRepository(folder: string): string {
  const disc = join(folder, 'repository.iso');
  const file = new HostFile(disc, { readOnly: false, create: true });
  const writer = new IsoWriter(file, { label: 'repository', modifiedMs: Date.now() });
  for (const [name, data] of repositoryOf(folder)) writer.addFile(name, data);
  writer.finish();
  file.closeSync();
  return disc;
}

const [form = ''] = process.argv.slice(2);
const image = guestImage('debian');
assert.ok(image.disk !== undefined);
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
try {
  const disk = await makeDisk(form, image.disk, folder);
  const seed = join(folder, 'seed.iso');
  writeSeed(seed, { hostname: 'proof', user: 'alice', password: 'secret' }, Date.now());
  const words = ['--memory', '1G', ...[disk, `${seed},ro`, `${makeRepository(folder)},ro`].flatMap((each) =>
    ['--disk', each])];
  const start = performance.now();
  let seconds: number;
  {
    await using guest = new Guest({ words });
    await guest.expect(/proof login: /, BOOT_MS);
    seconds = (performance.now() - start) / 1000;
    guest.type('alice\n');
    await guest.expect(/assword: /, COMMAND_MS);
    guest.type('secret\n');
    await guest.expect(/\$ /, COMMAND_MS);
    guest.type('sudo -i\n');
    // What the shell before tells the terminal stands in the same line.
    await guest.expect(/root@proof:\S*# /, COMMAND_MS);
    const state = await guest.run('systemctl is-system-running --wait; systemctl --failed --no-legend', COMMAND_MS);
    assert.equal(state.output.trim(), 'running');
    const install = 'mount -o ro /dev/disk/by-label/repository /mnt && echo "deb [trusted=yes] file:/mnt ./" '
      + `> /etc/apt/sources.list.d/local.list && apt-get -q update && apt-get -q -y install ${PACKAGE}`;
    const { output, status } = await guest.run(install, COMMAND_MS);
    assert.equal(status, 0, output);
    const { output: said } = await guest.run(`test -e /var/lib/partout/proved && ${PACKAGE}`, COMMAND_MS);
    assert.equal(said.trim(), 'installed and run');
    guest.type('poweroff\n');
    assert.equal(await guest.exited, 0, guest.errors);
  }
  const judged = await judgeDisk(disk, folder);
  process.stdout.write(`figure: login after ${seconds.toFixed(0)} s, a package installed, ${judged}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
