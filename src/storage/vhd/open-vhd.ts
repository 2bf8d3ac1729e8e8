/** What a VHD file is, read and checked: the first half of opening one; its parent is found in between. */

import { VHD_SECTOR_BYTES, VhdType } from '../../protocols/vhd.ts';
import type { BlockFile } from '../block-file.ts';
import { damaged, unsupported } from '../damaged.ts';
import { checkFooter, readDynamicHeader, readFooter, type DynamicValues, type FooterValues } from './structures.ts';

export interface OpenedVhd {
  readonly file: BlockFile;
  readonly footer: FooterValues;
  /** Undefined for a fixed disk. */
  readonly dynamic: DynamicValues | undefined;
  readonly dynamicOffset: number;
  /** The footer at the end is whole; otherwise what is known comes from the copy at the start. */
  readonly hasEndFooter: boolean;
  readonly hasStartFooter: boolean;
}

/** 64 MiB: the BAT is held in memory. */
const TABLE_ENTRIES_MAX = 0x100_0000;

/** @throws OperatingError when it is not a VHD, or is damaged. */
export function openVhd(file: BlockFile): OpenedVhd {
  const atEnd = readFooter(file, footerPosition(file));
  const atStart = readFooter(file, 0);
  const found = atEnd ?? atStart;
  if (found === undefined) throw damaged(file, 'there is no whole VHD footer at its end, and no copy at its start');
  const { values: footer, dynamicOffset } = found;
  checkFooter(file, footer);
  const sides = { hasEndFooter: atEnd !== undefined, hasStartFooter: atStart !== undefined };
  if (footer.diskType === VhdType.Fixed) {
    if (atEnd === undefined || footer.sizeBytes > footerPosition(file)) {
      throw damaged(file, `it has ${file.sizeBytes} bytes, and a fixed disk of ${footer.sizeBytes} has more`);
    }
    return { file, footer, dynamic: undefined, dynamicOffset: 0, ...sides };
  }
  const dynamic = readDynamicHeader(file, dynamicOffset, footer.sizeBytes);
  if (dynamic.entryCount > TABLE_ENTRIES_MAX) {
    throw unsupported(file, `its BAT has ${dynamic.entryCount} entries, more than the ${TABLE_ENTRIES_MAX} that fit`);
  }
  return { file, footer, dynamic, dynamicOffset, ...sides };
}

export function footerPosition(file: BlockFile): number {
  return Math.floor(file.sizeBytes / VHD_SECTOR_BYTES) * VHD_SECTOR_BYTES - VHD_SECTOR_BYTES;
}
