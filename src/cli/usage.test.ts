/**
 * What the command line refuses, as a user meets it: the compiled command is started, and answers with one sentence on
 * standard error, nothing on standard output, and the right exit status.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** No images are kept here. */
const CACHE = mkdtempSync(join(tmpdir(), 'partout-'));
after(() => rmSync(CACHE, { recursive: true }));

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

function partout(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const env = { PARTOUT_CACHE: CACHE, PARTOUT_CONFIG: CACHE, PARTOUT_RUNTIME: CACHE };
  return spawnSync(process.execPath, [MAIN, ...words], { encoding: 'utf8', env });
}

const BOOT = ['boot', '--kernel', '/nowhere/kernel'];

const REFUSED: readonly (readonly [words: readonly string[], sentence: RegExp])[] = [
  [[], /a command is missing/],
  [['bot'], /unknown command bot: did you mean boot\?/],
  [['--kernel', 'x'], /unknown option --kernel: a command comes first/],
  [['boot'], /needs a kernel or a disk to boot from: --kernel FILE, or --disk FILE/],
  [['boot', '--kernal', 'x'], /unknown option --kernal: did you mean --kernel\?/],
  [['boot', '--zzzzzz'], /unknown option --zzzzzz$/],
  [['boot', '-k', 'x'], /unknown option -k/],
  [['boot', '--kernel'], /--kernel needs a value: --kernel FILE/],
  [['boot', '--kernel', '--initrd', 'x'], /--kernel needs a value/],
  [[...BOOT, '--kernel', 'x'], /--kernel is given twice/],
  [[...BOOT, '--no-reboot=yes'], /--no-reboot takes no value/],
  [[...BOOT, 'stray'], /does not take "stray"/],
  [[...BOOT, '--memory', '1M'], /--memory 1M is too little: give a size between 16M and 3840M/],
  [[...BOOT, '--memory', '1MB'], /too little/],
  [[...BOOT, '--memory', '8G'], /--memory 8G is more than the wasm engine can give a guest/],
  [[...BOOT, '--memory', '512'], /--memory is a size such as 512M or 1G, not 512/],
  [[...BOOT, '--memory', '-1G'], /--memory is a size/],
  [[...BOOT, '--cpu', 'max'], /--cpu is one of v1, v2, v3, not max/],
  [[...BOOT, '--memory', '20000K'], /whole number of mebibytes/],
  [[...BOOT, '--cpus', '0'], /--cpus 0 leaves nothing/],
  [[...BOOT, '--cpus', '65'], /--cpus 65 is too many/],
  [[...BOOT, '--cpus', 'many'], /--cpus is a number/],
  [[...BOOT, '--disk', 'a,ro,merge'], /is to be merged and read-only: leave ",ro" or ",merge" out/],
  [[...BOOT, '--disk', 'a,cache=some'], /cache= is none or host, not some/],
  [[...BOOT, '--timeout', '0'], /--timeout is a number of seconds between 0 and/],
  [[...BOOT, '--timeout', 'soon'], /--timeout is a number of seconds/],
  [[...BOOT, '--nic', 'nat,mac=01-00-5e-00-00-01'], /mac= is the address of one station/],
  [[...BOOT, '--nic', 'nat,ro'], /--nic is NETWORK or NETWORK,mac=ADDRESS,name=NAME,vlan=NUMBER, not nat,ro/],
  [[...BOOT, '--nic', 'nat,vlan=5'], /behind NAT has no name or VLAN/],
  [[...BOOT, '--nic', 'nat,forward=tcp:0:80'], /a forward is tcp or udp, a port of the host and one of the guest/],
  [[...BOOT, '--nic', 'lab,forward=icmp:1:80'], /a forward is tcp or udp/],
  [[...BOOT, '--nic', 'lab,vlan=5000'], /vlan= is a number from 1 to 4094, not 5000/],
  [[...BOOT, '--nic', 'nat,mac=00:15:5d:00:00:01', '--nic', 'nat,mac=00-15-5D-00-00-01'], /two NICs have the address/],
  [[...BOOT, ...Array.from({ length: 9 }, () => ['--nic', 'nat']).flat()], /at most 8 NICs, and 9/],
  [[...BOOT, '--nic', 'none', '--nic', 'lab,mac=00:15:5d:00:00:01'], /there is no switch "lab": 'partout/],
  [['switch'], /partout switch takes one of the words new, list, show, set, remove, trace, capture, stats/],
  [['switch', 'new', 'nat'], /nat is the name of a network that is always there/],
  [['switch', 'new', '../x'], /a switch's name is letters/],
  [['switch', 'new', 'x', '--type', 'public'], /a switch is private, internal, external, not "public"/],
  [['switch', 'new', 'x', '--type', 'external'], /an external switch needs an adapter/],
  [['switch', 'show', 'absent'], /there is no switch "absent"/],
  [['switch', 'trace', 'absent', 'a', '--to', '1'], /an address is as 00-15-5d-00-00-01, not 1/],
  [['nic', 'set', 'absent', 'a', '--vlan', 'trunk'], /--vlan is untagged, access:N/],
  [[...BOOT, '--engine', 'kvm'], /--engine kvm is not there yet/],
  [[...BOOT, '--engine', 'tcg'], /--engine is auto, wasm or kvm, not tcg/],
  [[...BOOT, '--deterministic', 'x'], /--deterministic is a whole number of up to 64 bits such as 1, not x/],
  [[...BOOT, '--deterministic', '18446744073709551616'], /--deterministic is a whole number/],
  [[...BOOT, '--record', 'file'], /--record and --replay need --deterministic/],
  [[...BOOT, '--deterministic', '1', '--record', 'a', '--replay', 'b'], /give one of them/],
  [[...BOOT, '--deterministic', '1', '--cpus', '2'], /--deterministic has one processor/],
  [[...BOOT, '--deterministic', '1', '--disk', 'a'], /--deterministic has no disks yet/],
  [[...BOOT, '--deterministic', '1', '--nic', 'nat'], /--deterministic has no network/],
  [[...BOOT, '--gdb', 'here'], /--gdb is a port of 1 to 65535, such as 1234 or 1234,wait, not here/],
  [[...BOOT, '--restore', 'x'], /--restore brings along what the guest was made of: leave --kernel out/],
  [[...BOOT, '--save', '/nowhere/x'], /cannot write the state to \/nowhere\/x/],
  [[...BOOT, '--trace', 'all'], /--trace is exits or instructions, not all/],
  [['image'], /partout image takes one of the words build, import, seed, list, show, remove/],
  [['image', 'bild'], /takes one of the words build/],
  [['image', 'build'], /needs RECIPE: tiny or debian or debian-initramfs/],
  [['image', 'build', 'huge'], /RECIPE is tiny or debian or debian-initramfs, not huge/],
  [['image', 'show'], /partout image show needs NAME/],
  [['image', 'show', 'absent'], /there is no image "absent"/],
  [['image', 'remove', 'absent'], /there is no image "absent"/],
  [['version', 'x'], /does not take "x"/],
];

for (const [words, sentence] of REFUSED) {
  test(`partout ${words.join(' ')} is refused`, () => {
    const { status, stdout, stderr } = partout(...words);
    assert.match(stderr.trimEnd(), sentence);
    assert.match(stderr, /^partout: [^\n]+\n$/, 'one sentence');
    assert.equal(stdout, '');
    assert.equal(status, 2);
  });
}

test('without images the list says nothing but how to make one', () => {
  const text = partout('image', 'list');
  assert.deepEqual([text.status, text.stdout], [0, '']);
  assert.match(text.stderr, /'partout image build tiny' makes one/);
  assert.deepEqual(JSON.parse(partout('image', 'list', '--json').stdout), []);
});

test('help goes to standard output and names every command', () => {
  const { status, stdout, stderr } = partout('--help');
  assert.equal(status, 0);
  assert.equal(stderr, '');
  for (const word of ['boot', 'image list', 'version']) assert.match(stdout, new RegExp(`^  ${word} `, 'm'));
});

test('the help of a command names its options and their defaults, however it is asked for', () => {
  const ways = [['help', 'boot'], ['boot', '--help'], ['boot', '--kernel', 'x', '-h']];
  const asked = ways.map((words) => partout(...words));
  for (const { status, stdout } of asked) {
    assert.equal(status, 0);
    assert.match(stdout, /--memory SIZE .*\(512M\)/);
    assert.equal(stdout, asked[0]?.stdout);
  }
});

test('version says the same as text and as JSON', () => {
  const text = partout('--version');
  assert.match(text.stdout, /^partout \d+\.\d+\.\d+\n$/);
  const { version } = JSON.parse(partout('version', '--json').stdout) as { version: string };
  assert.equal(text.stdout, `partout ${version}\n`);
});
