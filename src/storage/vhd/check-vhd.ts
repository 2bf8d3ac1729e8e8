/** What can be wrong with a VHD beyond what keeps it from being opened. */

import { VHD_SECTOR_BYTES } from '../../protocols/vhd.ts';
import type { BlockFile } from '../block-file.ts';
import type { Findings } from '../check.ts';
import { footerPosition, openVhd, type OpenedVhd } from './open-vhd.ts';
import { encodeFooter, readFooter, type DynamicValues } from './structures.ts';
import { VhdBlocks } from './vhd-blocks.ts';

export function checkVhd(file: BlockFile, findings: Findings): void {
  const opened = openVhd(file);
  const { dynamic } = opened;
  if (dynamic === undefined) return;
  if (!opened.hasEndFooter) {
    findings.add('The footer at the end is not whole; the copy at the start counts.', () => {
      const position = Math.ceil(file.sizeBytes / VHD_SECTOR_BYTES) * VHD_SECTOR_BYTES;
      writeFooter(opened, position);
    });
  }
  if (!opened.hasStartFooter) {
    findings.add('The copy of the footer at the start is not whole.', () => writeFooter(opened, 0));
  } else if (opened.hasEndFooter && sizeAt(file, 0) !== sizeAt(file, footerPosition(file))) {
    findings.add('The footer and its copy at the start differ in the size of the disk; the footer counts.',
      () => writeFooter(opened, 0));
  }
  checkTable(file, dynamic, findings);
}

function sizeAt(file: BlockFile, position: number): number | undefined {
  return readFooter(file, position)?.values.sizeBytes;
}

function writeFooter({ file, footer }: OpenedVhd, position: number): void {
  file.writeSync(encodeFooter(footer), 0, VHD_SECTOR_BYTES, position);
  file.flushSync();
}

/** Blocks out of the file, and blocks that overlap another. */
function checkTable(file: BlockFile, dynamic: DynamicValues, findings: Findings): void {
  const blocks = new VhdBlocks(file, dynamic.tableOffset, dynamic.entryCount, dynamic.blockBytes);
  const unitBytes = blocks.bitmapBytes + blocks.blockBytes;
  const used: { block: number; offset: number }[] = [];
  const drop = (block: number): void => {
    blocks.setOffset(block, undefined);
    blocks.writeChanges();
    file.flushSync();
  };
  for (let block = 0; block < dynamic.entryCount; block++) {
    const offset = blocks.rawOffsetOf(block);
    if (offset === undefined) continue;
    if (offset === 0 || offset + unitBytes > file.sizeBytes) {
      findings.add(`Block ${block} is said to be at ${offset}, out of the file: what it held is lost, and reads `
        + 'as if it had never been written.', () => drop(block));
    } else {
      used.push({ block, offset });
    }
  }
  used.sort((a, b) => a.offset - b.offset);
  let end = 0;
  for (const { block, offset } of used) {
    if (offset < end) {
      findings.add(`Block ${block} is said to be at ${offset}, as another block is: what it held is lost, and reads `
        + 'as if it had never been written.', () => drop(block));
    } else {
      findings.unusedBytes += end === 0 ? 0 : offset - end;
      end = offset + unitBytes;
    }
  }
}
