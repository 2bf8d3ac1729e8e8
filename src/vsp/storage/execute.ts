/** From a controller's address (path, target, unit) to a logical unit, and what is answered where there is none. */

import { LUN_ENTRY_SIZE, LunListHeader, ScsiCommand, Sense } from '../../protocols/scsi.ts';
import { ScsiRequest, SRB_CDB_SIZE } from '../../protocols/storvsc.ts';
import { inquiryOf } from './inquiry.ts';
import { Outcome, type Unit } from './unit.ts';
import type { UnitRequest } from './unit-request.ts';

const COMMAND_SIZES = [6, 10, 10, 0, 16, 12, 0, 0];

// Hot path: one a request.
/** Carries out the SCSI request at `at`; a number of `Sense`, or an `Outcome`. All units are on path 0, target 0. */
export function executeScsi(
  units: readonly (Unit | undefined)[], request: UnitRequest, view: DataView, at: number,
): number {
  request.cdb = view;
  request.at = at + ScsiRequest.cdb.offset;
  request.moved = 0;
  const { operation } = request;
  const isOurs = ScsiRequest.path.get(view, at) === 0 && ScsiRequest.target.get(view, at) === 0;
  const unit = isOurs ? units[ScsiRequest.lun.get(view, at)] : undefined;
  if (operation === ScsiCommand.ReportLuns) return reportLuns(isOurs ? units : [], request);
  // The guest's driver turns a failed INQUIRY into a successful one: what is not there says so in its data.
  if (unit === undefined) return operation === ScsiCommand.Inquiry ? inquiryOf(request, 'absent') : Outcome.NoUnit;
  const needed = COMMAND_SIZES[operation >> 5] as number;
  const length = ScsiRequest.cdbLength.get(view, at);
  if (length < needed || length > SRB_CDB_SIZE) return Sense.InvalidFieldInCdb;
  return unit.execute(request);
}

function reportLuns(units: readonly (Unit | undefined)[], request: UnitRequest): number {
  const { scratch, scratchView: view, cdb, at } = request;
  scratch.fill(0, 0, LunListHeader.$size + units.length * LUN_ENTRY_SIZE);
  let length: number = LunListHeader.$size;
  for (let lun = 0; lun < units.length; lun++) {
    if (units[lun] === undefined) continue;
    scratch[length + 1] = lun;
    length += LUN_ENTRY_SIZE;
  }
  LunListHeader.length.set(view, 0, length - LunListHeader.$size);
  return request.reply(length, cdb.getUint32(at + 6));
}
