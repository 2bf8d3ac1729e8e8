/** What is put into a guest's memory to start it: the files that were named, or what its first disk would boot. */

import type { LoadOptions } from '../chipset/loaders/low-memory.ts';
import { OperatingError } from '../kit/errors.ts';
import { findBootEntry } from '../storage/boot/find-boot-entry.ts';
import { openDisk } from '../storage/open-disk.ts';
import type { MachineDescription } from './description.ts';
import { fileBytes, storedBytes } from './file-bytes.ts';

export interface BootSource {
  /** For sentences. */
  readonly name: string;
  readonly kernel: Uint8Array;
  readonly initrd: LoadOptions['initrd'] | undefined;
  readonly commandLine: string;
}

/**
 * Reads all of it afresh. The guest does not run, so that nobody writes to the disk meanwhile.
 * @throws OperatingError when there is nothing to be started.
 */
export async function readBootSource(description: MachineDescription): Promise<BootSource> {
  const { kernel, initrd, commandLine, disks = [] } = description;
  if (kernel === undefined) return bootSourceOf(disks.find(({ kind }) => kind !== 'dvd')?.path, commandLine);
  return {
    name: kernel, kernel: await fileBytes(kernel), commandLine,
    initrd: initrd === undefined ? undefined : await storedBytes(initrd),
  };
}

function bootSourceOf(path: string | undefined, commandLine: string): BootSource {
  if (path === undefined) {
    throw new OperatingError('usage', 'a guest without a kernel needs a disk with a system on it');
  }
  const disk = openDisk(path, { readOnly: true });
  try {
    const entry = findBootEntry(disk);
    const own = entry.commandLine.split(/\s+/);
    const missing = commandLine.split(/\s+/).filter((word) => !own.includes(word));
    return {
      name: `${entry.kernelPath} of ${path}`, kernel: entry.kernel, initrd: entry.initrd,
      commandLine: [...own, ...missing].filter((word) => word !== '').join(' '),
    };
  } finally {
    disk.closeSync();
  }
}
