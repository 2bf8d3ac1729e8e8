/** What a VHDX file is, read and checked: the first half of opening one; its parent is found in between. */

import { METADATA_TABLE_BYTES } from '../../protocols/vhdx.ts';
import type { BlockFile } from '../block-file.ts';
import { damaged } from '../damaged.ts';
import { NULL_GUID } from '../guid.ts';
import { entryCountOf } from './block-table.ts';
import { Headers } from './headers.ts';
import { readLog } from './log-reader.ts';
import { readMetadata, type Metadata } from './metadata.ts';
import { readRegions, type Regions } from './regions.ts';
import { ReplayedFile, replayInto } from './replay.ts';

export interface OpenedVhdx {
  /** With its log replayed: in the file, or over it when it is only read. */
  readonly file: BlockFile;
  readonly headers: Headers;
  readonly regions: Regions;
  readonly metadata: Metadata;
  readonly wasReplayed: boolean;
}

/** Where the first block can be. */
const FILE_BYTES_MIN = 0x10_0000 + METADATA_TABLE_BYTES;
/** 128 TiB: no file system has room for an image of more, and one byte for each MiB is kept. */
const FILE_BYTES_MAX = 2 ** 47;

/** @throws OperatingError when it is not a VHDX, is damaged, or needs what this version does not know. */
export function openVhdx(given: BlockFile): OpenedVhdx {
  if (given.sizeBytes < FILE_BYTES_MIN || given.sizeBytes > FILE_BYTES_MAX) {
    throw damaged(given, `${given.sizeBytes} bytes are no size of a VHDX file`);
  }
  const headers = new Headers(given);
  const replay = readLog(given, headers.current);
  let file = given;
  if (replay !== undefined && given.isReadOnly) file = new ReplayedFile(given, replay);
  else if (replay !== undefined) replayInto(given, replay);
  if (!given.isReadOnly && headers.current.logGuid !== NULL_GUID) headers.update({ logGuid: NULL_GUID });
  const regions = readRegions(file);
  const { bat, metadata: region } = regions;
  const { logOffset, logLength } = headers.current;
  for (const { fileOffset, lengthBytes } of regions.all) {
    if (fileOffset < logOffset + logLength && fileOffset + lengthBytes > logOffset) {
      throw damaged(file, `its log overlaps the region at ${fileOffset}`);
    }
  }
  const metadata = readMetadata(file, region);
  const entries = entryCountOf({ ...metadata.values });
  if (entries * 8 > bat.lengthBytes) {
    throw damaged(file, `its BAT of ${bat.lengthBytes} bytes is too small for the ${entries} entries of the disk`);
  }
  return { file, headers, regions, metadata, wasReplayed: (replay?.operations.length ?? 0) > 0 };
}
