/** What a QCOW2 image is, read and checked: the first half of opening one; its backing file is found in between. */

import { viewOf } from '../../kit/view.ts';
import {
  BACKING_NAME_BYTES_MAX, CLUSTER_BITS_MAX, CLUSTER_BITS_MIN, COMPRESSION_TYPE_OFFSET, INCOMPATIBLE_KNOWN,
  Incompatible, L1_BYTES_MAX, QCOW2_MAGIC, Qcow2Header, Qcow2HeaderExtension,
} from '../../protocols/qcow2.ts';
import { readBytes, type BlockFile } from '../block-file.ts';
import { damaged, unsupported } from '../damaged.ts';

export interface OpenedQcow2 {
  readonly file: BlockFile;
  readonly version: number;
  readonly sizeBytes: number;
  readonly clusterBytes: number;
  readonly level1Offset: number;
  readonly level1Entries: number;
  /** As in the file. */
  readonly backingName: string | undefined;
}

/** 64 PiB. */
const DISK_BYTES_MAX = 2 ** 56;

/** @throws OperatingError when it is not a QCOW2, is damaged, or needs what this version does not know. */
export function openQcow2(file: BlockFile): OpenedQcow2 {
  const bytes = readBytes(file, 0, COMPRESSION_TYPE_OFFSET + 8);
  const view = viewOf(bytes);
  const header = Qcow2Header.decode(view, 0);
  if (header.magic !== QCOW2_MAGIC) throw damaged(file, 'it does not begin as a QCOW2 image');
  if (header.version !== 2 && header.version !== 3) {
    throw unsupported(file, `it is of QCOW version ${header.version}; 2 and 3 are known`);
  }
  if (header.encryption !== 0) throw unsupported(file, 'it is encrypted: decrypt it with the program that made it');
  if (header.version === 3) checkFeatures(file, view);
  if (header.clusterBits < CLUSTER_BITS_MIN || header.clusterBits > CLUSTER_BITS_MAX) {
    throw damaged(file, `its clusters have 2^${header.clusterBits} bytes: 2^9 to 2^21 is right`);
  }
  const clusterBytes = 2 ** header.clusterBits;
  if (header.size === 0 || header.size > DISK_BYTES_MAX) throw damaged(file, `its size is ${header.size} bytes`);
  const level1Entries = Math.ceil(header.size / (clusterBytes * (clusterBytes / 8)));
  if (header.l1Size < level1Entries || level1Entries * 8 > L1_BYTES_MAX) {
    throw damaged(file, `its first-level table has ${header.l1Size} entries, and its size needs ${level1Entries}`);
  }
  if (header.l1TableOffset + level1Entries * 8 > file.sizeBytes) {
    throw damaged(file, `its first-level table at ${header.l1TableOffset} does not fit into ${file.sizeBytes} bytes`);
  }
  return {
    file, version: header.version, sizeBytes: header.size, clusterBytes, level1Offset: header.l1TableOffset,
    level1Entries, backingName: backingNameOf(file, header.backingFileOffset, header.backingFileSize),
  };
}

function checkFeatures(file: BlockFile, view: DataView): void {
  const { incompatibleHigh, incompatible, headerLength } = Qcow2HeaderExtension.decode(view, Qcow2Header.$size);
  if (incompatibleHigh !== 0 || (incompatible & ~INCOMPATIBLE_KNOWN) !== 0) {
    throw unsupported(file, 'it uses a feature of QCOW2 that this version does not know');
  }
  if ((incompatible & Incompatible.Corrupt) !== 0) {
    throw damaged(file, 'it is marked as corrupt: repair it with the program that made it');
  }
  if ((incompatible & Incompatible.ExternalData) !== 0) throw unsupported(file, 'its data is in another file');
  if ((incompatible & Incompatible.ExtendedL2) !== 0) throw unsupported(file, 'it has subclusters (extended_l2)');
  const hasType = headerLength > COMPRESSION_TYPE_OFFSET && (incompatible & Incompatible.Compression) !== 0;
  if (hasType && view.getUint8(COMPRESSION_TYPE_OFFSET) !== 0) {
    throw unsupported(file, 'its clusters are not compressed with deflate, the one compression that is known');
  }
}

function backingNameOf(file: BlockFile, offset: number, lengthBytes: number): string | undefined {
  if (offset === 0) return undefined;
  if (lengthBytes > BACKING_NAME_BYTES_MAX || offset + lengthBytes > file.sizeBytes) {
    throw damaged(file, `the name of its backing file has ${lengthBytes} bytes at ${offset}`);
  }
  return Buffer.from(readBytes(file, offset, lengthBytes)).toString('utf8');
}
