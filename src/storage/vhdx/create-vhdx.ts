/** Makes the file of a new VHDX: headers, regions, metadata and BAT; blocks only when it is fixed [MS-VHDX 2.1]. */

import { viewOf } from '../../kit/view.ts';
import {
  BAT_ENTRY_BYTES, FILE_SIGNATURE, FileIdentifier, HEADER_OFFSETS, LOG_VERSION, MIB, PayloadState, REGION_BAT,
  REGION_METADATA, REGION_TABLE_OFFSETS, VHDX_VERSION,
} from '../../protocols/vhdx.ts';
import type { BlockFile } from '../block-file.ts';
import { NULL_GUID, randomGuid, type NewGuid } from '../guid.ts';
import { blockCountOf, chunkRatioOf, entryCountOf } from './block-table.ts';
import { encodeHeader } from './headers.ts';
import { encodeMetadata, type MetadataValues } from './metadata.ts';
import { encodeLocator } from './parent-locator.ts';
import { encodeRegions } from './regions.ts';

export interface NewVhdx extends Omit<MetadataValues, 'diskId' | 'hasParent'> {
  readonly newGuid?: NewGuid;
}

const LOG_OFFSET = MIB;
const METADATA_OFFSET = 2 * MIB;
const BAT_OFFSET = 3 * MIB;
const CREATOR = 'Partout';

/** Writes into an empty file, and flushes it. */
export function createVhdx(file: BlockFile, { newGuid = randomGuid, ...given }: NewVhdx): void {
  const values: MetadataValues = { ...given, diskId: newGuid(), hasParent: given.parentLocator !== undefined };
  const batLength = Math.ceil(entryCountOf(values) * BAT_ENTRY_BYTES / MIB) * MIB;
  const identifier = new Uint8Array(FileIdentifier.$size);
  FileIdentifier.encode(viewOf(identifier), 0, {
    signature: FILE_SIGNATURE, creator: Buffer.from(CREATOR, 'utf16le'),
  });
  const locator = values.parentLocator === undefined ? undefined : encodeLocator(values.parentLocator);
  const regions = encodeRegions([
    { guid: REGION_BAT, fileOffset: BAT_OFFSET, lengthBytes: batLength, isRequired: true },
    { guid: REGION_METADATA, fileOffset: METADATA_OFFSET, lengthBytes: MIB, isRequired: true },
  ]);
  const firstBlock = BAT_OFFSET + batLength;
  file.truncateSync(firstBlock + (values.keepsBlocks ? blockCountOf(values) * values.blockBytes : 0));
  put(file, 0, identifier);
  put(file, METADATA_OFFSET, encodeMetadata(values, locator));
  for (const offset of REGION_TABLE_OFFSETS) put(file, offset, regions);
  if (values.keepsBlocks) writeTable(file, values, firstBlock);
  file.flushSync();
  const fileWriteGuid = newGuid();
  const dataWriteGuid = newGuid();
  HEADER_OFFSETS.forEach((offset, index) => put(file, offset, encodeHeader({
    sequenceNumber: index + 1, fileWriteGuid, dataWriteGuid, logGuid: NULL_GUID, logVersion: LOG_VERSION,
    version: VHDX_VERSION, logOffset: LOG_OFFSET, logLength: MIB,
  })));
  file.flushSync();
}

/** One block after another, all present. */
function writeTable(file: BlockFile, values: MetadataValues, firstBlock: number): void {
  const ratio = chunkRatioOf(values);
  const entries = entryCountOf(values);
  const chunk = new Uint8Array(MIB);
  const view = viewOf(chunk);
  let block = 0;
  for (let entry = 0; entry < entries;) {
    const first = entry;
    chunk.fill(0);
    for (; entry < entries && entry < first + MIB / BAT_ENTRY_BYTES; entry++) {
      if (entry % (ratio + 1) === ratio) continue;
      const offset = firstBlock + block++ * values.blockBytes;
      const at = (entry - first) * BAT_ENTRY_BYTES;
      view.setUint32(at, ((offset % 2 ** 32) | PayloadState.FullyPresent) >>> 0, true);
      view.setUint32(at + 4, Math.floor(offset / 2 ** 32), true);
    }
    put(file, BAT_OFFSET + first * BAT_ENTRY_BYTES, chunk.subarray(0, (entry - first) * BAT_ENTRY_BYTES));
  }
}

function put(file: BlockFile, position: number, bytes: Uint8Array): void {
  file.writeSync(bytes, 0, bytes.length, position);
}
