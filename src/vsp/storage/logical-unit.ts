/**
 * A disk as a SCSI logical unit [SBC-3]. Each command ends with a number of `Sense`: none is success. Whatever stands
 * in a command, it is answered: blocks beyond the end, a length that its data has not, a disk that fails.
 */

import {
  CdbFlag, FIXED_SENSE, ScsiCommand, Sense, SENSE_SIZE, SenseData, ServiceAction,
} from '../../protocols/scsi.ts';
import type { StorageDisk } from './disk-port.ts';
import { inquiryOf, readCapacity10, readCapacity16, vitalPage } from './inquiry.ts';
import { modeSense } from './mode-pages.ts';
import { lbaStatus, unmap, writeSame } from './provisioning.ts';
import { RateLimit, type RateLimits } from './rate-limit.ts';
import { reserveIn, reserveOut } from './reservations.ts';
import { supportedOperations } from './supported-operations.ts';
import { Outcome, type Unit } from './unit.ts';
import { senseOfDiskError, type UnitRequest } from './unit-request.ts';
import type { UnitState } from './unit-state.ts';

const SERVICE_ACTION_MASK = 0x1f;
const START_BIT = 0x01;
export const IDENTITY_SIZE = 16;

type Command = (request: UnitRequest, unit: LogicalUnit) => number;

export interface LogicalUnitOptions {
  readonly disk: StorageDisk;
  /** By which the guest knows it again: an NAA identifier. */
  readonly identity: Uint8Array;
  readonly state: UnitState;
  readonly limits?: RateLimits | undefined;
  /** A host without room is no error that the guest gets: whoever serves the unit tries again. */
  readonly waitsForRoom?: boolean;
}

export class LogicalUnit implements Unit {
  readonly identity: Uint8Array;
  readonly state: UnitState;
  readonly limit: RateLimit | undefined;
  readonly #limits: RateLimits | undefined;
  readonly #waitsForRoom: boolean;
  #disk: StorageDisk;
  isUnsettled = false;

  constructor(options: LogicalUnitOptions) {
    this.#disk = options.disk;
    this.identity = options.identity;
    this.state = options.state;
    this.#limits = options.limits;
    this.limit = options.limits && new RateLimit(options.limits);
    this.#waitsForRoom = options.waitsForRoom === true;
  }

  get disk(): StorageDisk {
    return this.#disk;
  }

  /** Another disk with the same content: the guest notices nothing. */
  exchange(disk: StorageDisk): void {
    this.#disk = disk;
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
    this.state.attention = Sense.CapacityChanged;
  }

  // Hot path: one a request. No allocation for reads and writes.
  execute(request: UnitRequest): number {
    request.moved = 0;
    const { operation } = request;
    const mayAttend = operation !== ScsiCommand.Inquiry && operation !== ScsiCommand.RequestSense
      && operation !== ScsiCommand.ReportLuns;
    if (mayAttend && this.state.attention !== Sense.None) return this.state.takeAttention();
    const command = COMMANDS[operation];
    const sense = command === undefined ? Sense.InvalidOperationCode : command(request, this);
    if (sense > Sense.None) this.state.count('failures');
    return sense;
  }

  settle(): number {
    if (!this.isUnsettled) return Sense.None;
    try {
      this.disk.settleSync();
    } catch (error) {
      const sense = this.failure(error, Sense.WriteError);
      if (sense === Outcome.HostFull) return sense;
      this.isUnsettled = false;
      return sense;
    }
    this.isUnsettled = false;
    return Sense.None;
  }

  flush(): number {
    this.state.count('flushes');
    try {
      this.disk.flushSync();
    } catch (error) {
      return this.failure(error, Sense.InternalTargetFailure);
    }
    return Sense.None;
  }

  /** What becomes of a command whose disk threw. @throws what is a mistake of ours. */
  failure(error: unknown, otherwise: number): number {
    const sense = senseOfDiskError(error, otherwise);
    return sense === Sense.SpaceAllocationFailed && this.#waitsForRoom ? Outcome.HostFull : sense;
  }

  inspect(): object {
    const { disk, state } = this;
    return {
      path: disk.name, sizeBytes: disk.geometry.sizeBytes, readOnly: disk.isReadOnly, limits: this.#limits,
      ...state.counters,
    };
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
function checkBlocks(request: UnitRequest, unit: LogicalUnit): number {
  request.setBlocks();
  const { address, blocks, transfer } = request;
  if (!unit.has(address, blocks)) return Sense.AddressOutOfRange;
  if (blocks * unit.disk.geometry.logicalSectorBytes > transfer.length) return Sense.InvalidFieldInCdb;
  return Sense.None;
}

/** Whether the unit's limits allow a transfer now. */
function mayTransfer(request: UnitRequest, unit: LogicalUnit, lengthBytes: number): boolean {
  if (unit.limit === undefined) return true;
  request.waitMs = unit.limit.take(lengthBytes, request.nowMs);
  if (request.waitMs > 0) unit.state.count('delays');
  return request.waitMs === 0;
}

function read(request: UnitRequest, unit: LogicalUnit): number {
  const checked = checkBlocks(request, unit);
  if (checked !== Sense.None || request.blocks === 0) return checked;
  const { address, blocks, flags, transfer } = request;
  const { logicalSectorBytes } = unit.disk.geometry;
  const length = blocks * logicalSectorBytes;
  if (!mayTransfer(request, unit, length)) return Outcome.Later;
  if ((flags & CdbFlag.ForceUnitAccess) !== 0) {
    const flushed = unit.flush();
    if (flushed !== Sense.None) return flushed;
  }
  try {
    transfer.read(unit.disk, length, address * logicalSectorBytes);
  } catch (error) {
    return unit.failure(error, Sense.ReadError);
  }
  unit.state.count('reads');
  unit.state.count('bytesRead', length);
  request.moved = length;
  return Sense.None;
}

function write(request: UnitRequest, unit: LogicalUnit): number {
  const checked = checkBlocks(request, unit);
  if (checked !== Sense.None) return checked;
  const { address, blocks, flags, transfer } = request;
  if (unit.disk.isReadOnly) return Sense.WriteProtected;
  if (blocks === 0) return Sense.None;
  const { logicalSectorBytes } = unit.disk.geometry;
  const length = blocks * logicalSectorBytes;
  if (!mayTransfer(request, unit, length)) return Outcome.Later;
  unit.isUnsettled = true;
  try {
    transfer.write(unit.disk, length, address * logicalSectorBytes);
  } catch (error) {
    return unit.failure(error, Sense.WriteError);
  }
  unit.state.count('writes');
  unit.state.count('bytesWritten', length);
  request.moved = length;
  return (flags & CdbFlag.ForceUnitAccess) !== 0 ? unit.flush() : Sense.None;
}

/** What is written is what can be read: there is no medium below that we could look at. */
function writeAndVerify(request: UnitRequest, unit: LogicalUnit): number {
  if ((request.cdb.getUint8(request.at + 1) & CdbFlag.ByteCheckMask) !== 0) return Sense.InvalidFieldInCdb;
  const sense = write(request, unit);
  return sense === Sense.None && !unit.disk.isReadOnly ? unit.flush() : sense;
}

/** Reading ahead is the host's. */
function prefetch(request: UnitRequest, unit: LogicalUnit): number {
  request.setBlocks();
  return unit.has(request.address, request.blocks) ? Sense.None : Sense.AddressOutOfRange;
}

/** All of the cache goes to the medium, whichever blocks are named; these must be there. */
function synchronizeCache(request: UnitRequest, unit: LogicalUnit): number {
  request.setBlocks();
  if (!unit.has(request.address, request.blocks)) return Sense.AddressOutOfRange;
  return unit.flush();
}

/** Without comparison: that the blocks are there and can be read. */
function verify(request: UnitRequest, unit: LogicalUnit): number {
  request.setBlocks();
  const { address, blocks, flags } = request;
  if ((flags & CdbFlag.ByteCheckMask) !== 0) return Sense.InvalidFieldInCdb;
  return unit.has(address, blocks) ? Sense.None : Sense.AddressOutOfRange;
}

function startStop(request: UnitRequest, unit: LogicalUnit): number {
  const isStart = (request.cdb.getUint8(request.at + 4) & START_BIT) !== 0;
  return isStart ? Sense.None : unit.flush();
}

export function requestSense(request: UnitRequest, unit: Unit): number {
  putSense(request.scratchView, 0, unit.state.takeAttention());
  return request.reply(SENSE_SIZE, request.cdb.getUint8(request.at + 4));
}

function serviceActionIn(request: UnitRequest, unit: LogicalUnit): number {
  switch (request.cdb.getUint8(request.at + 1) & SERVICE_ACTION_MASK) {
    case ServiceAction.ReadCapacity16: return readCapacity16(request, unit);
    case ServiceAction.GetLbaStatus: return lbaStatus(request, unit);
    default: return Sense.InvalidFieldInCdb;
  }
}

function inquiry(request: UnitRequest, unit: LogicalUnit): number {
  const isVital = (request.cdb.getUint8(request.at + 1) & CdbFlag.VitalProductData) !== 0;
  return isVital ? vitalPage(request, unit) : inquiryOf(request, 'disk');
}

const succeed: Command = () => Sense.None;

const COMMANDS: Readonly<Record<number, Command>> = {
  [ScsiCommand.TestUnitReady]: succeed,
  [ScsiCommand.RequestSense]: requestSense,
  [ScsiCommand.Inquiry]: inquiry,
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
  [ScsiCommand.WriteVerify10]: writeAndVerify,
  [ScsiCommand.WriteVerify12]: writeAndVerify,
  [ScsiCommand.WriteVerify16]: writeAndVerify,
  [ScsiCommand.Prefetch10]: prefetch,
  [ScsiCommand.Prefetch16]: prefetch,
  [ScsiCommand.ReserveIn]: reserveIn,
  [ScsiCommand.ReserveOut]: reserveOut,
  [ScsiCommand.MaintenanceIn]: (request) => supportedOperations(request, COMMANDS),
  [ScsiCommand.WriteSame10]: writeSame,
  [ScsiCommand.WriteSame16]: writeSame,
};
