/** Makes new disks: empty ones of any format that can be written, and children of a disk. */

import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { OperatingError, usage } from '../kit/errors.ts';
import { BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, DISK_BYTES_MAX } from '../protocols/vhdx.ts';
import { VHD_BLOCK_BYTES_DEFAULT } from '../protocols/vhd.ts';
import type { BlockFile } from './block-file.ts';
import type { Disk, DiskFormat } from './disk.ts';
import { HostFile } from './host-file.ts';
import { NewImage } from './new-image.ts';
import { openDisk } from './open-disk.ts';
import { parentPathsFor } from './parent-path.ts';
import { createVhd, vhdTime, type VhdParentLink } from './vhd/create-vhd.ts';
import { checkVhdSize } from './vhd/fixed-vhd-disk.ts';
import { createVhdx } from './vhdx/create-vhdx.ts';
import { LocatorKey, type ParentLocator } from './vhdx/parent-locator.ts';
import { VhdxDisk } from './vhdx/vhdx-disk.ts';

export interface NewDisk {
  readonly format: Exclude<DiskFormat, 'qcow2' | 'vmdk'>;
  readonly sizeBytes: number;
  /** All room from the start; raw is always so. */
  readonly isFixed?: boolean;
  readonly blockBytes?: number | undefined;
  readonly logicalSectorBytes?: number | undefined;
  readonly physicalSectorBytes?: number | undefined;
}

/** Hyper-V's. */
const DYNAMIC_BLOCK_BYTES = 32 * 2 ** 20;
const DIFFERENCING_BLOCK_BYTES = 2 * 2 ** 20;

/** @throws OperatingError when the file is there, or no disk can be as it is asked for. */
export function createDisk(path: string, disk: NewDisk): void {
  using image = new NewImage(path);
  createEmpty(image.temporaryPath, disk);
  image.commit();
}

/** The file at its place at once, for who makes an image under another name anyway. */
export function createEmpty(path: string, disk: NewDisk): void {
  checkNewDisk(disk);
  const file = new HostFile(path, { readOnly: false, create: true });
  try {
    const { sizeBytes, isFixed = false } = disk;
    if (disk.format === 'raw') {
      file.truncateSync(sizeBytes);
      file.flushSync();
    } else if (disk.format === 'vhd') {
      createVhd(file,
        { sizeBytes, isFixed, blockBytes: disk.blockBytes ?? VHD_BLOCK_BYTES_DEFAULT, nowMs: Date.now() });
    } else {
      createVhdx(file, {
        sizeBytes, keepsBlocks: isFixed, blockBytes: disk.blockBytes ?? DYNAMIC_BLOCK_BYTES, parentLocator: undefined,
        logicalSectorBytes: disk.logicalSectorBytes ?? 512, physicalSectorBytes: disk.physicalSectorBytes ?? 4096,
      });
    }
  } finally {
    file.closeSync();
  }
}

/**
 * A differencing disk of the parent's format and size; the parent must not be written to from now on.
 * @throws OperatingError when the parent has a format without children.
 */
export function createChild(path: string, parentPath: string, blockBytes?: number): void {
  using image = new NewImage(path);
  const parent = openDisk(parentPath, { readOnly: true });
  try {
    const file = new HostFile(image.temporaryPath, { readOnly: false, create: true });
    try {
      writeChild(file, path, parent, blockBytes);
    } finally {
      file.closeSync();
    }
  } finally {
    parent.closeSync();
  }
  image.commit();
}

function writeChild(file: BlockFile, path: string, parent: Disk, blockBytes: number | undefined): void {
  const { sizeBytes, logicalSectorBytes, physicalSectorBytes } = parent.geometry;
  if (parent instanceof VhdxDisk) {
    checkNewDisk({ format: 'vhdx', sizeBytes, blockBytes });
    createVhdx(file, {
      sizeBytes, logicalSectorBytes, physicalSectorBytes, keepsBlocks: false,
      blockBytes: blockBytes ?? DIFFERENCING_BLOCK_BYTES, parentLocator: locatorFor(path, parent),
    });
  } else if (parent.format === 'vhd') {
    checkNewDisk({ format: 'vhd', sizeBytes, blockBytes });
    createVhd(file, {
      sizeBytes, isFixed: false, blockBytes: blockBytes ?? VHD_BLOCK_BYTES_DEFAULT, nowMs: Date.now(),
      parent: vhdLinkFor(path, parent),
    });
  } else {
    throw new OperatingError('unsupported',
      `${parent.name} is ${parent.format}, which has no children: convert it to VHDX first`);
  }
}

/** How a child at `path` names this parent. */
export function locatorFor(path: string, parent: VhdxDisk): ParentLocator {
  const { relativePath, absolutePath } = parentPathsFor(path, parent.name);
  return new Map([
    [LocatorKey.Linkage, `{${parent.dataWriteGuid}}`],
    [LocatorKey.RelativePath, relativePath], [LocatorKey.AbsolutePath, absolutePath],
  ]);
}

/** How a child at `path` names this parent. */
export function vhdLinkFor(path: string, parent: Disk): VhdParentLink {
  return {
    uniqueId: String(parent.describe()['diskId']), timeStamp: vhdTime(statSync(parent.name).mtimeMs),
    name: basename(parent.name), ...parentPathsFor(path, parent.name),
  };
}

function checkNewDisk(disk: NewDisk): void {
  const { format, sizeBytes, blockBytes, logicalSectorBytes = 512, physicalSectorBytes = 4096 } = disk;
  for (const bytes of [logicalSectorBytes, physicalSectorBytes]) {
    if (bytes !== 512 && bytes !== 4096) throw usage(`a sector of ${bytes} bytes is not there: 512 or 4096 is`);
  }
  if (sizeBytes <= 0 || sizeBytes % logicalSectorBytes !== 0) {
    throw usage(`a disk of ${sizeBytes} bytes is not there: whole sectors of ${logicalSectorBytes} bytes are`);
  }
  if (format === 'vhdx' && sizeBytes > DISK_BYTES_MAX) throw usage('a VHDX holds 64 TiB at most');
  if (format === 'vhd') checkVhdSize(sizeBytes);
  if (format !== 'vhdx' && logicalSectorBytes !== 512) {
    throw usage(`sectors of ${logicalSectorBytes} bytes need VHDX: ${format} does not say them`);
  }
  if (blockBytes === undefined) return;
  const [least, most] = format === 'vhd' ? [0x8_0000, 0x1000_0000] : [BLOCK_BYTES_MIN, BLOCK_BYTES_MAX];
  if (blockBytes < least || blockBytes > most || (blockBytes & (blockBytes - 1)) !== 0) {
    throw usage(`a block of ${blockBytes} bytes is not there: a power of two from ${least} to ${most} is`);
  }
}
