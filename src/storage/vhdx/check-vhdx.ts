/** What can be wrong with a VHDX beyond what keeps it from being opened. */

import { viewOf } from '../../kit/view.ts';
import {
  BAT_ENTRY_BYTES, BAT_STATE_MASK, PayloadState, REGION_TABLE_BYTES, REGION_TABLE_OFFSETS,
} from '../../protocols/vhdx.ts';
import type { BlockFile } from '../block-file.ts';
import { readBytes } from '../block-file.ts';
import type { Findings } from '../check.ts';
import { NULL_GUID } from '../guid.ts';
import { chunkRatioOf } from './block-table.ts';
import { Headers } from './headers.ts';
import { openVhdx, type OpenedVhdx } from './open-vhdx.ts';
import { encodeRegions } from './regions.ts';
import { claimStructures, forEachUsed } from './space-scan.ts';
import { Space } from './space.ts';

export function checkVhdx(file: BlockFile, findings: Findings): void {
  const before = new Headers(file);
  if (!before.isOtherValid) {
    findings.add('One of the two headers is not whole; the other one counts.', () => before.update({}));
  }
  const hasLog = before.current.logGuid !== NULL_GUID;
  const opened = openVhdx(file);
  if (hasLog) findings.add('It was not closed: its log has to be replayed.', () => {});
  if (!opened.regions.copiesAgree) {
    findings.add('The two region tables are not the same; the first that is whole counts.', () => {
      const table = encodeRegions(opened.regions.all);
      for (const offset of REGION_TABLE_OFFSETS) {
        file.writeSync(table, 0, REGION_TABLE_BYTES, offset);
        file.flushSync();
      }
    });
  }
  checkTable(opened, findings);
}

/** Entries that name places out of the file, or that something else has. */
function checkTable(opened: OpenedVhdx, findings: Findings): void {
  const { file, metadata: { values }, regions } = opened;
  const space = new Space(file.sizeBytes);
  claimStructures(opened, space);
  const drop = (entry: number): void => {
    file.writeSync(new Uint8Array(BAT_ENTRY_BYTES), 0, BAT_ENTRY_BYTES, regions.bat.fileOffset
      + entry * BAT_ENTRY_BYTES);
    file.flushSync();
  };
  forEachUsed(opened, ({ entry, block, offset, lengthBytes }) => {
    const what = block === undefined ? `The sector bitmap in entry ${entry}` : `Block ${block}`;
    if (!space.claim(offset, lengthBytes)) {
      findings.add(`${what} is said to be at ${offset}, which is out of the file or in use by another: what it held is `
        + 'lost, and reads as if it had never been written.', () => drop(entry));
    } else if (block !== undefined && isPartialWithoutBitmap(opened, entry, block)) {
      findings.add(`${what} is partly present, and no sector bitmap says which part.`,
        values.hasParent ? undefined : () => drop(entry));
    }
  });
  findings.unusedBytes = space.freeBytes;
}

function isPartialWithoutBitmap({ file, regions, metadata: { values } }: OpenedVhdx, entry: number,
  block: number): boolean {
  const stateAt = (index: number): number =>
    viewOf(readBytes(file, regions.bat.fileOffset + index * BAT_ENTRY_BYTES, BAT_ENTRY_BYTES))
      .getUint32(0, true) & BAT_STATE_MASK;
  if (stateAt(entry) !== PayloadState.PartiallyPresent) return false;
  const ratio = chunkRatioOf(values);
  const bitmapEntry = (Math.floor(block / ratio) + 1) * (ratio + 1) - 1;
  return !values.hasParent || stateAt(bitmapEntry) !== PayloadState.FullyPresent;
}
