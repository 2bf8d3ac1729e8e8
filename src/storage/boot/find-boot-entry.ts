/**
 * What a disk would boot: the entry that its own boot loader would take, with the kernel and the initial RAM file
 * system read from the disk's file systems. So a guest without firmware boots what an ordinary image holds.
 */

import { OperatingError } from '../../kit/errors.ts';
import type { Disk } from '../disk.ts';
import {
  type BootEntry, type BootFile, INITRD_BYTES_MAX, KERNEL_BYTES_MAX, type LoaderEntry,
} from './boot-entry.ts';
import { DiskFiles } from './disk-files.ts';
import { findExtlinuxEntry } from './extlinux.ts';
import { findGrubEntry } from './grub.ts';
import { findSystemdBootEntry } from './loader-specification.ts';

/**
 * @throws OperatingError which says why nothing can be booted.
 * @example const { kernel, initrd, commandLine } = findBootEntry(disk);
 */
export function findBootEntry(disk: Disk): BootEntry {
  const files = new DiskFiles(disk);
  const entry = chooseEntry(disk, files);
  const read = ({ partition, path }: BootFile, maxBytes: number): Uint8Array => {
    const data = files.partitions.find(({ number }) => number === partition)?.files.readFile(path, maxBytes);
    if (data !== undefined) return data;
    throw new OperatingError('bad-input', `the boot entry "${entry.title}" of ${disk.name} names ${path}, which is not `
      + 'there');
  };
  const initrds: Uint8Array[] = [];
  for (const file of entry.initrds) {
    const taken = initrds.reduce((sum, { length }) => sum + length, 0);
    initrds.push(read(file, INITRD_BYTES_MAX - taken));
  }
  return {
    title: entry.title, loader: entry.loader, kernelPath: entry.kernel.path, commandLine: entry.commandLine,
    kernel: read(entry.kernel, KERNEL_BYTES_MAX),
    initrd: initrds.length === 0 ? undefined : oneBehindTheOther(initrds),
  };
}

/** GRUB first: where it is installed, entries of the specification are its own. */
function chooseEntry(disk: Disk, files: DiskFiles): LoaderEntry {
  let isEmpty = false;
  for (const find of [findGrubEntry, findSystemdBootEntry, findExtlinuxEntry]) {
    const entry = find(files);
    if (entry === 'nothing to start') isEmpty = true;
    else if (entry !== undefined) return entry;
  }
  const [failure] = files.failures;
  if (failure !== undefined) throw failure;
  throw new OperatingError('bad-input', isEmpty
    ? `the boot loader of ${disk.name} has no entry that could be started here: give a kernel with --kernel`
    : `${disk.name} holds no boot loader's configuration that could be read (GRUB, systemd-boot or EXTLINUX on ext4 or `
      + 'FAT): give a kernel with --kernel');
}

/** Each begins at a multiple of four, as the kernel wants it. */
function oneBehindTheOther(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  return Buffer.concat(pieces.flatMap((piece) => [piece, new Uint8Array((4 - piece.length % 4) % 4)]));
}
