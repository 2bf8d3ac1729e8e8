/** The files of all file systems of a disk, as boot loaders find them. */

import { OperatingError } from '../../kit/errors.ts';
import { damaged } from '../damaged.ts';
import type { Disk } from '../disk.ts';
import { isExt4 } from '../ext4/superblock.ts';
import { Ext4 } from '../ext4/ext4.ts';
import { Fat, isFat } from '../fat/fat.ts';
import { FileSystem, type FileSystemFormat } from '../file-system.ts';
import { readPartitions, type Partition } from '../partitions.ts';
import type { Volume } from '../volume.ts';
import { isXfs } from '../xfs/superblock.ts';
import { Xfs } from '../xfs/xfs.ts';

export interface MountedPartition extends Partition {
  readonly files: FileSystem;
}

/** A file system that cannot be read is none; if nothing can be booted, what was wrong with it is why. */
export class DiskFiles {
  readonly partitions: readonly MountedPartition[];
  readonly failures: readonly OperatingError[];

  constructor(disk: Disk) {
    const failures: OperatingError[] = [];
    this.partitions = readPartitions(disk).flatMap((partition) => {
      try {
        const format = formatOf(partition.volume);
        if (format === undefined) return [];
        const files = new FileSystem(format, (what) => damaged(partition.volume, what));
        return [{ ...partition, files }];
      } catch (error) {
        if (!(error instanceof OperatingError)) throw error;
        failures.push(error);
        return [];
      }
    });
    this.failures = failures;
  }
}

function formatOf(volume: Volume): FileSystemFormat | undefined {
  if (isExt4(volume)) return new Ext4(volume);
  if (isXfs(volume)) return new Xfs(volume);
  return isFat(volume) ? new Fat(volume) : undefined;
}
