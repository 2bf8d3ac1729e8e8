/** MODE SENSE: that the disk has a cache for writes, and whether it takes any. */

import {
  CACHE_WRITES, CachingPage, ControlPage, ModeDevice, ModeHeader10, ModeHeader6, ModePage, ScsiCommand, Sense,
} from '../../protocols/scsi.ts';
import type { LogicalUnit } from './logical-unit.ts';
import type { UnitRequest } from './unit-request.ts';

/** Page control: values now, bits that can be changed, defaults, saved values. */
const CONTROL_SHIFT = 6;
const CHANGEABLE = 1;
const SAVED = 3;
const PAGE_MASK = 0x3f;
const PAGES_SIZE_MAX = 64;

export function modeSense(request: UnitRequest, unit: LogicalUnit): number {
  const { scratch, scratchView: view, cdb, at } = request;
  const isShort = request.operation === ScsiCommand.ModeSense6;
  const control = cdb.getUint8(at + 2) >> CONTROL_SHIFT;
  if (control === SAVED) return Sense.SavingNotSupported;
  const header = isShort ? ModeHeader6.$size : ModeHeader10.$size;
  scratch.fill(0, 0, header + PAGES_SIZE_MAX);
  const end = appendPages(request, cdb.getUint8(at + 2) & PAGE_MASK, control === CHANGEABLE, header);
  if (end === header) return Sense.InvalidFieldInCdb;
  const deviceSpecific = ModeDevice.ForceUnitAccess | (unit.disk.isReadOnly ? ModeDevice.WriteProtected : 0);
  if (isShort) ModeHeader6.encode(view, 0, { length: end - 1, deviceSpecific });
  else ModeHeader10.encode(view, 0, { length: end - 2, deviceSpecific });
  return request.reply(end, isShort ? cdb.getUint8(at + 4) : cdb.getUint16(at + 7));
}

/** Returns where the pages end; at their start when the page is not there. */
function appendPages({ scratchView: view }: UnitRequest, page: number, isChangeable: boolean, start: number): number {
  let end = start;
  if (page === ModePage.Caching || page === ModePage.All) {
    CachingPage.encode(view, end, {
      page: ModePage.Caching, length: CachingPage.$size - 2, flags: isChangeable ? 0 : CACHE_WRITES,
    });
    end += CachingPage.$size;
  }
  if (page === ModePage.Control || page === ModePage.All) {
    ControlPage.encode(view, end, { page: ModePage.Control, length: ControlPage.$size - 2 });
    end += ControlPage.$size;
  }
  return end;
}
