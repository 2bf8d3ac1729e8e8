/** REPORT SUPPORTED OPERATION CODES [SPC-4 6.35]: what a unit knows, all of it or one command. */

import { MaintenanceAction, OperationDescriptor, OperationListHeader, Sense } from '../../protocols/scsi.ts';
import type { UnitRequest } from './unit-request.ts';

const SERVICE_ACTION_MASK = 0x1f;
const REPORTING_MASK = 0x07;
const SUPPORTED = 0x03;
const NOT_SUPPORTED = 0x01;
const REPORT_ALL = 0;
const REPORT_OPERATION = 1;
const COMMAND_SIZES = [6, 10, 10, 0, 16, 12, 0, 0];

/** @param commands by operation code. */
export function supportedOperations(request: UnitRequest, commands: Readonly<Record<number, unknown>>): number {
  const { scratch, scratchView: view, cdb, at } = request;
  if ((cdb.getUint8(at + 1) & SERVICE_ACTION_MASK) !== MaintenanceAction.ReportOperations) {
    return Sense.InvalidFieldInCdb;
  }
  const allocation = cdb.getUint32(at + 6);
  switch (cdb.getUint8(at + 2) & REPORTING_MASK) {
    case REPORT_ALL: {
      const operations = Object.keys(commands).map(Number);
      scratch.fill(0, 0, OperationListHeader.$size + operations.length * OperationDescriptor.$size);
      OperationListHeader.length.set(view, 0, operations.length * OperationDescriptor.$size);
      operations.forEach((operation, index) => {
        OperationDescriptor.encode(view, OperationListHeader.$size + index * OperationDescriptor.$size, {
          operation, size: sizeOf(operation),
        });
      });
      return request.reply(OperationListHeader.$size + operations.length * OperationDescriptor.$size, allocation);
    }
    case REPORT_OPERATION: {
      const operation = cdb.getUint8(at + 3);
      const isKnown = commands[operation] !== undefined;
      const size = isKnown ? sizeOf(operation) : 0;
      scratch.fill(0, 0, 4 + size);
      scratch[1] = isKnown ? SUPPORTED : NOT_SUPPORTED;
      view.setUint16(2, size);
      // The usage map: which bits of the command are looked at. Its first byte is the operation code.
      scratch.fill(0xff, 5, 4 + size);
      if (isKnown) scratch[4] = operation;
      return request.reply(4 + size, allocation);
    }
    default:
      return Sense.InvalidFieldInCdb;
  }
}

function sizeOf(operation: number): number {
  return COMMAND_SIZES[operation >> 5] as number;
}
