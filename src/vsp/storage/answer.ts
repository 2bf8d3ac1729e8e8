/** How the answer to a SCSI command says what became of it. */

import { ScsiStatus, Sense, SENSE_SIZE } from '../../protocols/scsi.ts';
import { ScsiRequest, SRB_AUTOSENSE_VALID, SrbStatus, VSTOR_BODY } from '../../protocols/storvsc.ts';
import { putSense } from './logical-unit.ts';
import { Outcome } from './unit.ts';

// Hot path: one a request.
/** Completes an answer with a number of `Sense` or an `Outcome`. */
export function finishScsi(view: DataView, answer: number, outcome: number, moved: number): void {
  const body = answer + VSTOR_BODY;
  ScsiRequest.transferLength.set(view, body, moved);
  switch (outcome) {
    case Sense.None:
      ScsiRequest.srbStatus.set(view, body, SrbStatus.Success);
      ScsiRequest.scsiStatus.set(view, body, ScsiStatus.Good);
      ScsiRequest.senseLength.set(view, body, 0);
      return;
    case Outcome.NoUnit:
      ScsiRequest.srbStatus.set(view, body, SrbStatus.InvalidLun);
      ScsiRequest.transferLength.set(view, body, 0);
      return;
    case Outcome.ReservationConflict:
      ScsiRequest.srbStatus.set(view, body, SrbStatus.Error);
      ScsiRequest.scsiStatus.set(view, body, ScsiStatus.ReservationConflict);
      ScsiRequest.senseLength.set(view, body, 0);
      return;
    default:
      ScsiRequest.srbStatus.set(view, body, SrbStatus.Error | SRB_AUTOSENSE_VALID);
      ScsiRequest.scsiStatus.set(view, body, ScsiStatus.CheckCondition);
      ScsiRequest.senseLength.set(view, body, SENSE_SIZE);
      putSense(view, body + ScsiRequest.cdb.offset, outcome);
  }
}
