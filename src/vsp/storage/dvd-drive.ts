/**
 * A DVD drive as a SCSI logical unit [MMC-6, SPC-4]: it reads what is in it, says when that was changed, and lets the
 * guest take it out. What is in it is an ISO image, or whatever else has sectors of 2048 bytes.
 */

import { CdbFlag, ScsiCommand, Sense } from '../../protocols/scsi.ts';
import { MediumEventCode, MmcCommand } from '../../protocols/mmc.ts';
import type { StorageDisk } from './disk-port.ts';
import {
  dvdCapacity, dvdModeSense, dvdVitalPage, eventStatus, getConfiguration, mechanismStatus, readDiscInformation,
  readToc, readTrackInformation,
} from './dvd-answers.ts';
import { inquiryOf } from './inquiry.ts';
import { requestSense } from './logical-unit.ts';
import { supportedOperations } from './supported-operations.ts';
import type { Unit } from './unit.ts';
import { senseOfDiskError, type UnitRequest } from './unit-request.ts';
import type { UnitState } from './unit-state.ts';

const START_BIT = 0x01;
const LOAD_EJECT_BIT = 0x02;
const PREVENT_BIT = 0x01;

type Command = (request: UnitRequest, drive: DvdDrive) => number;

export interface DvdDriveOptions {
  readonly medium: StorageDisk | undefined;
  readonly identity: Uint8Array;
  readonly state: UnitState;
  /** The guest takes out what is in the drive: nobody reads it any more. */
  readonly onEject: (medium: StorageDisk) => void;
}

export class DvdDrive implements Unit {
  readonly identity: Uint8Array;
  readonly state: UnitState;
  readonly isUnsettled = false;
  readonly #onEject: (medium: StorageDisk) => void;
  #medium: StorageDisk | undefined;

  constructor(options: DvdDriveOptions) {
    this.identity = options.identity;
    this.state = options.state;
    this.#medium = options.medium;
    this.#onEject = options.onEject;
  }

  get medium(): StorageDisk | undefined {
    return this.#medium;
  }

  get blockCount(): number {
    const { sizeBytes = 0, logicalSectorBytes = 1 } = this.#medium?.geometry ?? {};
    return sizeBytes / logicalSectorBytes;
  }

  /** From outside: another medium, or none. It is not asked whether the guest has locked the drive. */
  change(medium: StorageDisk | undefined): void {
    this.#medium = medium;
    this.state.mediumEvent = medium === undefined ? MediumEventCode.Removal : MediumEventCode.NewMedium;
    this.state.attention = medium === undefined ? Sense.None : Sense.MediumChanged;
  }

  /** By the guest. */
  eject(): number {
    if (this.state.isLocked) return Sense.RemovalPrevented;
    const medium = this.#medium;
    if (medium === undefined) return Sense.None;
    this.change(undefined);
    this.#onEject(medium);
    return Sense.None;
  }

  execute(request: UnitRequest): number {
    request.moved = 0;
    const { operation } = request;
    if (this.state.attention !== Sense.None && !PATIENT.includes(operation)) return this.state.takeAttention();
    const command = COMMANDS[operation];
    if (command === undefined) return Sense.InvalidOperationCode;
    if (this.#medium === undefined && NEED_MEDIUM.includes(operation)) return Sense.MediumNotPresent;
    const sense = command(request, this);
    if (sense > Sense.None) this.state.count('failures');
    return sense;
  }

  settle(): number {
    return Sense.None;
  }

  inspect(): object {
    return { drive: 'dvd', medium: this.#medium?.name, locked: this.state.isLocked, ...this.state.counters };
  }
}

function read(request: UnitRequest, drive: DvdDrive): number {
  request.setBlocks();
  const { address, blocks, transfer } = request;
  const disk = drive.medium;
  if (disk === undefined) return Sense.MediumNotPresent;
  const { logicalSectorBytes } = disk.geometry;
  const length = blocks * logicalSectorBytes;
  if (address + blocks > drive.blockCount) return Sense.AddressOutOfRange;
  if (length > transfer.length) return Sense.InvalidFieldInCdb;
  if (blocks === 0) return Sense.None;
  try {
    transfer.read(disk, length, address * logicalSectorBytes);
  } catch (error) {
    return senseOfDiskError(error, Sense.ReadError);
  }
  drive.state.count('reads');
  drive.state.count('bytesRead', length);
  request.moved = length;
  return Sense.None;
}

function startStop({ cdb, at }: UnitRequest, drive: DvdDrive): number {
  const action = cdb.getUint8(at + 4) & (START_BIT | LOAD_EJECT_BIT);
  if (action === LOAD_EJECT_BIT) return drive.eject();
  return action !== 0 && drive.medium === undefined ? Sense.MediumNotPresent : Sense.None;
}

function preventRemoval({ cdb, at }: UnitRequest, drive: DvdDrive): number {
  drive.state.isLocked = (cdb.getUint8(at + 4) & PREVENT_BIT) !== 0;
  return Sense.None;
}

function inquiry(request: UnitRequest, drive: DvdDrive): number {
  const isVital = (request.cdb.getUint8(request.at + 1) & CdbFlag.VitalProductData) !== 0;
  return isVital ? dvdVitalPage(request, drive) : inquiryOf(request, 'dvd');
}

const COMMANDS: Readonly<Record<number, Command>> = {
  [ScsiCommand.TestUnitReady]: () => Sense.None,
  [ScsiCommand.RequestSense]: requestSense,
  [ScsiCommand.Inquiry]: inquiry,
  [ScsiCommand.ModeSense6]: dvdModeSense,
  [ScsiCommand.ModeSense10]: dvdModeSense,
  [ScsiCommand.StartStopUnit]: startStop,
  [ScsiCommand.PreventAllowRemoval]: preventRemoval,
  [ScsiCommand.ReadCapacity10]: dvdCapacity,
  [ScsiCommand.Read6]: read,
  [ScsiCommand.Read10]: read,
  [ScsiCommand.Read12]: read,
  [ScsiCommand.Read16]: read,
  [ScsiCommand.MaintenanceIn]: (request) => supportedOperations(request, COMMANDS),
  [MmcCommand.ReadToc]: readToc,
  [MmcCommand.GetConfiguration]: getConfiguration,
  [MmcCommand.GetEventStatus]: eventStatus,
  [MmcCommand.ReadDiscInformation]: readDiscInformation,
  [MmcCommand.ReadTrackInformation]: readTrackInformation,
  [MmcCommand.MechanismStatus]: mechanismStatus,
};

/** Commands that leave an attention for the next one. */
const PATIENT: readonly number[] = [
  ScsiCommand.Inquiry, ScsiCommand.RequestSense, ScsiCommand.ReportLuns, MmcCommand.GetConfiguration,
  MmcCommand.GetEventStatus,
];
const NEED_MEDIUM: readonly number[] = [
  ScsiCommand.TestUnitReady, ScsiCommand.ReadCapacity10, ScsiCommand.Read6, ScsiCommand.Read10, ScsiCommand.Read12,
  ScsiCommand.Read16, MmcCommand.ReadToc, MmcCommand.ReadDiscInformation, MmcCommand.ReadTrackInformation,
];
