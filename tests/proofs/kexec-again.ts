/**
 * A kernel jumps into the next with kexec, again and again, each with all of its drivers: `kexec-again.js COUNT`. The
 * kernel and its initramfs come from two disks.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileTree } from '../../src/images/file-tree.ts';
import { readCpio } from '../../src/images/cpio.ts';
import { guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { MachineGuest } from '../machine-guest.ts';
import { allOpen, type BusCounts, busCounts, growth, type Memory, memoryOf } from './leaks.ts';

const BOOT_MS = 20 * 60_000;
const MEMORY_BYTES = 512 * 2 ** 20;
const WARM_UP = 2;
const LINKER = 'ld-linux-x86-64.so.2';
const LIBRARY = /^(?:ld-linux-x86-64\.so\.2|lib(?:c|dl|lzma|z|zstd|xen\w+)\.so\.[\d.]+)$/;
const NEXT = `#!/bin/sh
disk() { echo /dev/$(ls /sys/bus/scsi/devices/0:0:0:$1/block); }
cat $(disk 0) > /kernel; cat $(disk 1) > /initrd
kexec() { /kexec/${LINKER} --library-path /kexec /kexec/kexec "$@"; }
kexec --load /kernel --initrd=/initrd --reuse-cmdline && kexec --exec
`;

/** kexec and its libraries, out of a Debian image. */
function kexecFiles(): Record<string, Uint8Array> {
  const tree = new FileTree();
  tree.unpack(readCpio(readFileSync(guestImage('debian-initramfs', undefined, ['kexec-tools']).initrd)));
  const files: Record<string, Uint8Array> = {};
  const nodes = new Map(tree.entries());
  for (const [path, node] of nodes) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (!path.endsWith('sbin/kexec') && !LIBRARY.test(name)) continue;
    const target = node.kind === 'symlink' ? node.target.slice(node.target.lastIndexOf('/') + 1) : name;
    const end = name === 'kexec' ? 'sbin/kexec' : `/${target}`;
    const found = [...nodes].find(([each, { kind }]) => kind === 'file' && each.endsWith(end))?.[1];
    if (found?.kind === 'file') files[`kexec/${name}`] = found.data;
  }
  for (const name of ['kexec', LINKER]) assert.ok(files[`kexec/${name}`] !== undefined, `${name} is missing`);
  return files;
}

const count = Number(process.argv[2] ?? 20);
const image = guestImage('tiny');
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
try {
  const initrd = join(folder, 'initrd');
  extendInitramfs(image.initrd, { ...kexecFiles(), 'next': NEXT }, initrd);
  await using guest = await MachineGuest.start({
    ...image, initrd, memoryBytes: MEMORY_BYTES, nics: [{ network: 'nat' }],
    disks: [{ path: image.kernel, readOnly: true }, { path: initrd, readOnly: true }],
  });
  const { bus } = guest.machine.vmbus;
  let counts: BusCounts | undefined;
  let memory: Memory | undefined;
  let grown = '';
  for (let kernel = 0; kernel <= count; kernel++) {
    await guest.expect(/Linux version/, BOOT_MS);
    await guest.prompt(BOOT_MS);
    await guest.run('dmesg -n 1', BOOT_MS);
    await allOpen(guest, bus.offers.all().length);
    counts ??= busCounts(guest);
    assert.deepEqual(busCounts(guest), counts);
    assert.doesNotMatch(await guest.run('dmesg', BOOT_MS), /WARNING:|BUG|Oops|Call Trace/);
    const now = await memoryOf(guest, MEMORY_BYTES);
    if (kernel === WARM_UP) memory = now;
    if (memory !== undefined) grown = growth(memory, now);
    process.stdout.write(`kernel ${kernel}: ${counts.open} channels, ${grown}\n`);
    if (kernel < count) guest.type('/next\n');
  }
  process.stdout.write(`figure: ${count} of ${count}, ${counts?.open ?? 0} channels each time; ${grown}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
