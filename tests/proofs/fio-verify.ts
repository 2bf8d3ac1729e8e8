/**
 * fio writes, discards and flushes at random for minutes, at depth 32, two jobs on each of two disks, and reads back
 * and compares what it wrote; discarded ranges are to be zeros. Each disk is one half of a mirror of the guest's own
 * (md, RAID 1), whose other half is a raw disk: that one is given the same writes, and QEMU compares the two images
 * afterwards. `fio-verify.js SECONDS`.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PARTOUT } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { kernelModules } from '../kernel-modules.ts';
import { MachineGuest } from '../machine-guest.ts';
import { fioImage } from './fio-guest.ts';

const BOOT_MS = 10 * 60_000;
const MEMORY_BYTES = 2 ** 30;
const STOP_MS = 60_000;
const DISK_MIB = 128;

const seconds = Number(process.argv[2] ?? 600);

/** The image that is under proof, as QEMU calls its format, and the raw one that mirrors it. */
const PAIRS = [
  { mirror: 'md_first', image: 'first.vhdx', qemuFormat: 'vhdx', raw: 'first.raw' },
  { mirror: 'md_second', image: 'second.vhd', qemuFormat: 'vpc', raw: 'second.raw' },
] as const;

/**
 * Makes a mirror that knows no superblock, both halves alike, and reads from the first half
 * [Linux Documentation/admin-guide/md.rst, "MD devices in sysfs"].
 */
const MAKE_MIRROR = `#!/bin/sh
# mirror NAME LUN LUN
set -e
name=$1 number=0
echo $name > /sys/module/md_mod/parameters/new_array
cd /sys/block/$name/md
echo raid1 > level
echo 2 > raid_disks
for lun in $2 $3; do
  disk=$(ls /sys/bus/scsi/devices/0:0:0:$lun/block)
  cat /sys/block/$disk/dev > new_dev
  echo 0 > dev-$disk/offset
  size=$(($(cat /sys/block/$disk/size) / 2))
  echo $size > dev-$disk/size
  echo $number > dev-$disk/slot
  [ $number = 0 ] || echo writemostly > dev-$disk/state
  number=$((number + 1))
done
echo $size > component_size
echo none > resync_start
echo active > array_state
`;

/** What fio does in each half of a disk; it counts no writes for a flush where it also discards. */
const KINDS = [
  ['--rw=randtrimwrite', '--trim_percentage=20', '--trim_backlog=64', '--trim_verify_zero=1', '--serialize_overlap=1'],
  ['--rw=randwrite', '--fsync=64'],
];

function job(mirror: string, part: number): string {
  return [
    `--name=${mirror}${part}`, `--filename=/dev/${mirror}`, `--offset=${part * DISK_MIB / 2}m`,
    `--size=${DISK_MIB / 2}m`, '--bssplit=4k/50:16k/30:64k/20', '--ioengine=libaio', '--direct=1', '--iodepth=32',
    '--verify=crc32c', '--verify_backlog=256', '--verify_fatal=1', '--randrepeat=0',
    // Each loop ends with all of it verified; with --time_based blocks would be written over that are not yet.
    '--loops=100000', `--runtime=${seconds}`, ...KINDS[part] as string[],
  ].join(' ');
}

const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
const at = (name: string): string => join(folder, name);

function command(...words: string[]): string {
  const { status, stdout, stderr } = spawnSync(words[0] as string, words.slice(1), { encoding: 'utf8' });
  assert.equal(status, 0, `${words.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

type Counters = Record<'writes' | 'flushes' | 'discards' | 'bytesWritten' | 'failures', number>;

try {
  for (const { image, raw } of PAIRS) {
    command(PARTOUT, 'vhd', 'new', at(image), '--size', `${DISK_MIB}M`);
    writeFileSync(at(raw), '');
    truncateSync(at(raw), DISK_MIB * 2 ** 20);
  }
  const image = fioImage(folder);
  const modules = await kernelModules(image, ['raid1']);
  const initrd = at('initrd-with-modules');
  extendInitramfs(image.initrd, { ...modules, mirror: MAKE_MIRROR }, initrd);
  await using guest = await MachineGuest.start({
    ...image, initrd, processors: 2, memoryBytes: MEMORY_BYTES,
    disks: PAIRS.flatMap((pair) => [pair.image, pair.raw]).map((name) => ({ path: at(name), readOnly: false })),
  });
  const run = (text: string): Promise<string> => guest.run(text, BOOT_MS);
  await guest.prompt(BOOT_MS);
  await run('dmesg -n 1; until [ -b /dev/sda ] && [ -b /dev/sdb ] && [ -b /dev/sdc ] && [ -b /dev/sdd ]; do '
    + 'sleep 1; done');
  for (const path of Object.keys(modules)) await run(`insmod /${path}`);
  for (const [index, { mirror }] of PAIRS.entries()) {
    assert.equal(await run(`/mirror ${mirror} ${index * 2} ${index * 2 + 1} || echo failed`), '');
    await run(`until [ -b /dev/${mirror} ]; do sleep 1; done`);
  }
  // The shell takes a thousand characters to a line, and forgets the others.
  for (const { mirror } of PAIRS) {
    for (const part of KINDS.keys()) await run(`echo ${job(mirror, part)} >> /tmp/jobs`);
  }
  const said = await guest.run('fio $(cat /tmp/jobs) > /tmp/fio 2>&1; echo "status $?"; '
    + 'grep -E "err=|assert|verify" /tmp/fio; cat /proc/mdstat; '
    + 'dmesg | grep -E "I/O error|Sense Key|storvsc.*(error|tag)|md/raid1.*fail|Call Trace"',
    BOOT_MS + 3 * seconds * 1000);
  const counters = guest.machine.storage.statistics() as Counters[];
  guest.type('poweroff -f\n');
  const end = await guest.ended;
  await guest.machine.stop(STOP_MS);
  process.stdout.write(said);
  assert.match(said, /^status 0\n/);
  assert.equal([...said.matchAll(/\[UU\]/g)].length, PAIRS.length, 'no mirror has lost a half');
  assert.doesNotMatch(said, /I\/O error|Sense Key|Call Trace|storvsc|fail/);
  assert.equal(end.kind, 'off');
  for (const { image: path, qemuFormat, raw } of PAIRS) {
    command(PARTOUT, 'vhd', 'check', at(path));
    if (qemuFormat === 'vhdx') command('qemu-img', 'check', at(path));
    assert.match(command('qemu-img', 'compare', '-f', qemuFormat, '-F', 'raw', at(path), at(raw)), /identical/);
  }
  // Half of what was done was done to the raw disks.
  const sum = (name: keyof Counters): number => counters.reduce((total, each) => total + each[name], 0) / 2;
  assert.ok(sum('discards') > 0 && sum('flushes') > 0);
  assert.equal(sum('failures'), 0);
  process.stdout.write(`figure: ${seconds} s, four jobs of depth 32 on a VHDX and a VHD without an error: `
    + `${sum('writes')} writes of ${Math.round(sum('bytesWritten') / 2 ** 20)} MiB, ${sum('discards')} discards, `
    + `${sum('flushes')} flushes; both images identical to raw disks given the same\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
