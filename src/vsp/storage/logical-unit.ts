/**
 * A disk as a SCSI logical unit [SBC-3]. Each command ends with a number of `Sense`: none is success. Whatever stands
 * in a command, it is answered: blocks beyond the end, a length that its data has not, a disk that fails.
 */

import {
  CdbFlag, FIXED_SENSE, ScsiCommand, Sense, SENSE_SIZE, SenseData, ServiceAction,
} from '../../protocols/scsi.ts';
import type { StorageDisk } from './disk-port.ts';
import { inquiryOf, readCapacity10, readCapacity16 } from './inquiry.ts';
import { modeSense } from './mode-pages.ts';
import { lbaStatus, unmap, writeSame } from './provisioning.ts';
import { senseOfDiskError, type UnitRequest } from './unit-request.ts';

const SERVICE_ACTION_MASK = 0x1f;
const START_BIT = 0x01;
export const IDENTITY_SIZE = 16;

type Command = (request: UnitRequest) => number;

export interface UnitCounters {
  reads: number;
  writes: number;
  bytesRead: number;
  bytesWritten: number;
  flushes: number;
  failures: number;
}

export class LogicalUnit {
  readonly disk: StorageDisk;
  /** By which the guest knows it again: an NAA identifier. */
  readonly identity: Uint8Array;
  readonly counters: UnitCounters = { reads: 0, writes: 0, bytesRead: 0, bytesWritten: 0, flushes: 0, failures: 0 };
  /** Something was written that may be lost with this thread. */
  isUnsettled = false;
  #attention: number = Sense.None;

  constructor(options: { disk: StorageDisk; identity: Uint8Array }) {
    this.disk = options.disk;
    this.identity = options.identity;
  }

  get blockCount(): number {
    const { sizeBytes, logicalSectorBytes } = this.disk.geometry;
    return sizeBytes / logicalSectorBytes;
  }

  /** Whether blocks that the guest does not need are worth telling. */
  get isThin(): boolean {
    return this.disk.blockBytes > 0;
  }

  has(address: number, blocks: number): boolean {
    return address + blocks <= this.blockCount;
  }

  /** The disk has another size than before: the next command tells the guest. */
  resized(): void {
    this.#attention = Sense.CapacityChanged;
  }

  // Hot path: one a request. No allocation for reads and writes.
  execute(request: UnitRequest): number {
    request.unit = this;
    request.moved = 0;
    const { operation } = request;
    if (this.#attention !== Sense.None && operation !== ScsiCommand.Inquiry && operation !== ScsiCommand.RequestSense) {
      return this.takeAttention();
    }
    const command = COMMANDS[operation];
    const sense = command === undefined ? Sense.InvalidOperationCode : command(request);
    if (sense !== Sense.None) this.counters.failures++;
    return sense;
  }

  takeAttention(): number {
    const sense = this.#attention;
    this.#attention = Sense.None;
    return sense;
  }

  /** Before the guest is told that writes are done. */
  settle(): number {
    if (!this.isUnsettled) return Sense.None;
    this.isUnsettled = false;
    try {
      this.disk.settleSync();
    } catch (error) {
      return senseOfDiskError(error, Sense.WriteError);
    }
    return Sense.None;
  }

  flush(): number {
    this.counters.flushes++;
    try {
      this.disk.flushSync();
    } catch (error) {
      return senseOfDiskError(error, Sense.InternalTargetFailure);
    }
    return Sense.None;
  }
}

/** Writes sense data of the fixed format. */
export function putSense(view: DataView, at: number, sense: number): void {
  for (let i = 0; i < SENSE_SIZE; i++) view.setUint8(at + i, 0);
  SenseData.responseCode.set(view, at, FIXED_SENSE);
  SenseData.senseKey.set(view, at, sense >> 16);
  SenseData.additionalLength.set(view, at, SENSE_SIZE - 8);
  SenseData.additionalCode.set(view, at, (sense >> 8) & 0xff);
  SenseData.qualifier.set(view, at, sense & 0xff);
}

/** Checks what a READ or a WRITE asks for; the length in bytes is its blocks'. */
function checkBlocks(request: UnitRequest): number {
  request.setBlocks();
  const { unit, address, blocks, transfer } = request;
  if (!unit.has(address, blocks)) return Sense.AddressOutOfRange;
  if (blocks * unit.disk.geometry.logicalSectorBytes > transfer.length) return Sense.InvalidFieldInCdb;
  return Sense.None;
}

function read(request: UnitRequest): number {
  const checked = checkBlocks(request);
  if (checked !== Sense.None || request.blocks === 0) return checked;
  const { unit, address, blocks, flags, transfer } = request;
  const { logicalSectorBytes } = unit.disk.geometry;
  if ((flags & CdbFlag.ForceUnitAccess) !== 0) {
    const flushed = unit.flush();
    if (flushed !== Sense.None) return flushed;
  }
  const length = blocks * logicalSectorBytes;
  try {
    transfer.read(unit.disk, length, address * logicalSectorBytes);
  } catch (error) {
    return senseOfDiskError(error, Sense.ReadError);
  }
  unit.counters.reads++;
  unit.counters.bytesRead += length;
  request.moved = length;
  return Sense.None;
}

function write(request: UnitRequest): number {
  const checked = checkBlocks(request);
  if (checked !== Sense.None) return checked;
  const { unit, address, blocks, flags, transfer } = request;
  if (unit.disk.isReadOnly) return Sense.WriteProtected;
  if (blocks === 0) return Sense.None;
  const { logicalSectorBytes } = unit.disk.geometry;
  const length = blocks * logicalSectorBytes;
  unit.isUnsettled = true;
  try {
    transfer.write(unit.disk, length, address * logicalSectorBytes);
  } catch (error) {
    return senseOfDiskError(error, Sense.WriteError);
  }
  unit.counters.writes++;
  unit.counters.bytesWritten += length;
  request.moved = length;
  return (flags & CdbFlag.ForceUnitAccess) !== 0 ? unit.flush() : Sense.None;
}

/** All of the cache goes to the medium, whichever blocks are named; these must be there. */
function synchronizeCache(request: UnitRequest): number {
  request.setBlocks();
  if (!request.unit.has(request.address, request.blocks)) return Sense.AddressOutOfRange;
  return request.unit.flush();
}

/** Without comparison: that the blocks are there and can be read. */
function verify(request: UnitRequest): number {
  request.setBlocks();
  const { unit, address, blocks, flags } = request;
  if ((flags & CdbFlag.ByteCheckMask) !== 0) return Sense.InvalidFieldInCdb;
  return unit.has(address, blocks) ? Sense.None : Sense.AddressOutOfRange;
}

function startStop(request: UnitRequest): number {
  const isStart = (request.cdb.getUint8(request.at + 4) & START_BIT) !== 0;
  return isStart ? Sense.None : request.unit.flush();
}

function requestSense(request: UnitRequest): number {
  putSense(request.scratchView, 0, request.unit.takeAttention());
  return request.reply(SENSE_SIZE, request.cdb.getUint8(request.at + 4));
}

function serviceActionIn(request: UnitRequest): number {
  switch (request.cdb.getUint8(request.at + 1) & SERVICE_ACTION_MASK) {
    case ServiceAction.ReadCapacity16: return readCapacity16(request);
    case ServiceAction.GetLbaStatus: return lbaStatus(request);
    default: return Sense.InvalidFieldInCdb;
  }
}

const succeed: Command = () => Sense.None;

const COMMANDS: Readonly<Record<number, Command>> = {
  [ScsiCommand.TestUnitReady]: succeed,
  [ScsiCommand.RequestSense]: requestSense,
  [ScsiCommand.Inquiry]: (request) => inquiryOf(request, true),
  [ScsiCommand.ReadCapacity10]: readCapacity10,
  [ScsiCommand.ServiceActionIn16]: serviceActionIn,
  [ScsiCommand.ModeSense6]: modeSense,
  [ScsiCommand.ModeSense10]: modeSense,
  [ScsiCommand.StartStopUnit]: startStop,
  [ScsiCommand.PreventAllowRemoval]: succeed,
  [ScsiCommand.Read6]: read,
  [ScsiCommand.Read10]: read,
  [ScsiCommand.Read12]: read,
  [ScsiCommand.Read16]: read,
  [ScsiCommand.Write6]: write,
  [ScsiCommand.Write10]: write,
  [ScsiCommand.Write12]: write,
  [ScsiCommand.Write16]: write,
  [ScsiCommand.Verify10]: verify,
  [ScsiCommand.Verify12]: verify,
  [ScsiCommand.Verify16]: verify,
  [ScsiCommand.SynchronizeCache10]: synchronizeCache,
  [ScsiCommand.SynchronizeCache16]: synchronizeCache,
  [ScsiCommand.Unmap]: unmap,
  [ScsiCommand.WriteSame10]: writeSame,
  [ScsiCommand.WriteSame16]: writeSame,
};
