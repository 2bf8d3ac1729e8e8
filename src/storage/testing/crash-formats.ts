/** Small disks of every format that can be written, in memory, for tests that take the power away. */

import { VhdType } from '../../protocols/vhd.ts';
import type { BlockFile } from '../block-file.ts';
import type { Disk } from '../disk.ts';
import { RawDisk } from '../raw/raw-disk.ts';
import { createVhd } from '../vhd/create-vhd.ts';
import { FixedVhdDisk } from '../vhd/fixed-vhd-disk.ts';
import { openVhd } from '../vhd/open-vhd.ts';
import { VhdDisk } from '../vhd/vhd-disk.ts';
import { createVhdx, type NewVhdx } from '../vhdx/create-vhdx.ts';
import { openVhdx } from '../vhdx/open-vhdx.ts';
import { LocatorKey } from '../vhdx/parent-locator.ts';
import { VhdxDisk } from '../vhdx/vhdx-disk.ts';
import { CrashFile, Medium } from './crash-file.ts';

const MIB = 0x10_0000;
export const CRASH_DISK_BYTES = 4 * MIB;

export interface CrashFormat {
  readonly name: string;
  /** Of the disk, and of the medium below it: what a medium may tear, no format can protect. */
  readonly sectorBytes: number;
  /** What qemu-img calls it, when it reads it alone. */
  readonly qemuFormat?: string;
  make(): Medium;
  open(file: BlockFile): Disk;
}

const NO_PARENT = { uniqueId: '00'.repeat(16), timeStamp: 0, name: 'p', relativePath: '.\\p', absolutePath: '/p' };

function made(create: (file: BlockFile) => void): Medium {
  const medium = new Medium();
  const file = new CrashFile(medium);
  create(file);
  return file.survivors(() => 1);
}

function vhdx(values: Partial<NewVhdx> = {}): () => Medium {
  return () => made((file) => createVhdx(file, {
    sizeBytes: CRASH_DISK_BYTES, blockBytes: MIB, keepsBlocks: false, logicalSectorBytes: 512,
    physicalSectorBytes: 4096, parentLocator: undefined, ...values,
  }));
}

/** All zeros, so that a sector of the parent looks as one that was never written. */
function vhdxParent(logicalSectorBytes: number): Disk {
  return openVhdxDisk(new CrashFile(vhdx({ logicalSectorBytes })()));
}

export function openVhdxDisk(file: BlockFile): VhdxDisk {
  const opened = openVhdx(file);
  const { hasParent, logicalSectorBytes } = opened.metadata.values;
  return new VhdxDisk({ opened, parent: hasParent ? vhdxParent(logicalSectorBytes) : undefined });
}

export function openVhdDisk(file: BlockFile): Disk {
  const opened = openVhd(file);
  if (opened.dynamic === undefined) return new FixedVhdDisk(opened);
  const parent = opened.footer.diskType === VhdType.Differencing
    ? openVhdDisk(new CrashFile(vhdMedium(false))) : undefined;
  return new VhdDisk({ ...opened, dynamic: opened.dynamic }, parent);
}

function vhdMedium(hasParent: boolean, isFixed = false): Medium {
  const parent = hasParent ? NO_PARENT : undefined;
  return made((file) =>
    createVhd(file, { sizeBytes: CRASH_DISK_BYTES, isFixed, blockBytes: MIB, nowMs: 1e12, parent }));
}

const LOCATOR = new Map([
  [LocatorKey.Linkage, '{00000000-0000-0000-0000-000000000001}'], [LocatorKey.RelativePath, '.\\p'],
]);

export const CRASH_FORMATS: readonly CrashFormat[] = [
  {
    name: 'raw', sectorBytes: 512, make: () => made((file) => {
      file.truncateSync(CRASH_DISK_BYTES);
      file.flushSync();
    }), open: (file) => new RawDisk({ file }),
  },
  { name: 'VHD fixed', sectorBytes: 512, qemuFormat: 'vpc', make: () => vhdMedium(false, true), open: openVhdDisk },
  { name: 'VHD dynamic', sectorBytes: 512, qemuFormat: 'vpc', make: () => vhdMedium(false), open: openVhdDisk },
  { name: 'VHD differencing', sectorBytes: 512, make: () => vhdMedium(true), open: openVhdDisk },
  { name: 'VHDX fixed', sectorBytes: 512, qemuFormat: 'vhdx', make: vhdx({ keepsBlocks: true }), open: openVhdxDisk },
  { name: 'VHDX dynamic', sectorBytes: 512, qemuFormat: 'vhdx', make: vhdx(), open: openVhdxDisk },
  { name: 'VHDX dynamic 4K', sectorBytes: 4096, make: vhdx({ logicalSectorBytes: 4096 }), open: openVhdxDisk },
  { name: 'VHDX differencing', sectorBytes: 512, make: vhdx({ parentLocator: LOCATOR }), open: openVhdxDisk },
];
