/** What a DVD drive tells of itself and of what is in it [MMC-6]. */

import {
  Capacity10, ModeDevice, ModeHeader10, ModeHeader6, ModePage, NaaDesignator, ScsiCommand, Sense, VitalPage,
  VitalPageHeader,
} from '../../protocols/scsi.ts';
import {
  CAPABILITIES_PAGE, CAPABILITY_TRAY, CapabilitiesPage, CapabilityReads, ConfigurationHeader, ConfigurationRequest,
  DATA_TRACK, DISC_COMPLETE, DiscInformation, DVD_SECTOR_BYTES, EventClass, EventHeader, Feature, FeatureFlag,
  FeatureHeader, LEAD_OUT, MechanismStatus, MEDIUM_PRESENT, MediumEvent, MediumEventCode, Profile, TocFormat,
  TocHeader, TocTrack, TOC_MSF, TrackInformation,
} from '../../protocols/mmc.ts';
import type { DvdDrive } from './dvd-drive.ts';
import type { UnitRequest } from './unit-request.ts';

const CODE_SET_BINARY = 1;
const DESIGNATOR_NAA = 3;
const POLLED = 0x01;
const SAVED = 3;
/** Of a DVD at 16 times its speed, in kB a second. */
const SPEED = 22_160;
const FRAMES_PER_SECOND = 75;
const LEAD_IN_FRAMES = 150;
const INTERFACE_SCSI = 1;
/** A tray that can be locked and opened by a command. */
const REMOVABLE_TRAY = 0x29;

export function dvdCapacity(request: UnitRequest, drive: DvdDrive): number {
  Capacity10.lastAddress.set(request.scratchView, 0, Math.min(drive.blockCount - 1, 0xffff_ffff));
  Capacity10.blockLength.set(request.scratchView, 0, DVD_SECTOR_BYTES);
  return request.reply(Capacity10.$size, Capacity10.$size);
}

export function dvdVitalPage(request: UnitRequest, { identity }: DvdDrive): number {
  const { scratch, scratchView: view, cdb, at } = request;
  const page = cdb.getUint8(at + 2);
  let length: number = VitalPageHeader.$size;
  scratch.fill(0, 0, 64);
  if (page === VitalPage.Supported) {
    scratch.set([VitalPage.Supported, VitalPage.Identification], length);
    length += 2;
  } else if (page === VitalPage.Identification) {
    NaaDesignator.encode(view, length, {
      codeSet: CODE_SET_BINARY, type: DESIGNATOR_NAA, length: 16, designator: identity,
    });
    length += NaaDesignator.$size;
  } else {
    return Sense.InvalidFieldInCdb;
  }
  VitalPageHeader.encode(view, 0, { peripheral: 5, page, length: length - VitalPageHeader.$size });
  return request.reply(length, cdb.getUint16(at + 3));
}

export function dvdModeSense(request: UnitRequest): number {
  const { scratch, scratchView: view, cdb, at } = request;
  const isShort = request.operation === ScsiCommand.ModeSense6;
  const page = cdb.getUint8(at + 2) & 0x3f;
  if (cdb.getUint8(at + 2) >> 6 === SAVED) return Sense.SavingNotSupported;
  if (page !== CAPABILITIES_PAGE && page !== ModePage.All) return Sense.InvalidFieldInCdb;
  const header = isShort ? ModeHeader6.$size : ModeHeader10.$size;
  const length = header + CapabilitiesPage.$size;
  scratch.fill(0, 0, length);
  const deviceSpecific = ModeDevice.WriteProtected;
  if (isShort) ModeHeader6.encode(view, 0, { length: length - 1, deviceSpecific });
  else ModeHeader10.encode(view, 0, { length: length - 2, deviceSpecific });
  CapabilitiesPage.encode(view, header, {
    page: CAPABILITIES_PAGE, length: CapabilitiesPage.$size - 2, maximumSpeed: SPEED, speed: SPEED,
    reads: CapabilityReads.CdR | CapabilityReads.CdRw | CapabilityReads.DvdRom | CapabilityReads.DvdR,
    flags6: CAPABILITY_TRAY,
  });
  return request.reply(length, isShort ? cdb.getUint8(at + 4) : cdb.getUint16(at + 7));
}

export function readToc(request: UnitRequest, drive: DvdDrive): number {
  const { scratch, scratchView: view, cdb, at } = request;
  const isMsf = (cdb.getUint8(at + 1) & TOC_MSF) !== 0;
  // Older initiators give the format in the last byte.
  const format = (cdb.getUint8(at + 2) & 0x0f) || (cdb.getUint8(at + 9) >> 6);
  const first = cdb.getUint8(at + 6);
  scratch.fill(0, 0, 64);
  let length: number = TocHeader.$size;
  const add = (track: number, block: number): void => {
    TocTrack.encode(view, length, { control: DATA_TRACK, track, address: isMsf ? msfOf(block) : block });
    length += TocTrack.$size;
  };
  if (format === TocFormat.Tracks) {
    if (first > 1 && first !== LEAD_OUT) return Sense.InvalidFieldInCdb;
    if (first <= 1) add(1, 0);
    add(LEAD_OUT, drive.blockCount);
  } else if (format === TocFormat.Sessions) {
    add(1, 0);
  } else {
    return Sense.InvalidFieldInCdb;
  }
  TocHeader.encode(view, 0, { length: length - 2, first: 1, last: 1 });
  return request.reply(length, cdb.getUint16(at + 7));
}

/** Minute, second and frame of a block, one byte each. */
function msfOf(block: number): number {
  const frames = block + LEAD_IN_FRAMES;
  const seconds = Math.floor(frames / FRAMES_PER_SECOND);
  const minutes = Math.min(255, Math.floor(seconds / 60));
  return (minutes << 16) | ((seconds % 60) << 8) | (frames % FRAMES_PER_SECOND);
}

export function getConfiguration(request: UnitRequest, drive: DvdDrive): number {
  const { scratch, scratchView: view, cdb, at } = request;
  const wanted = cdb.getUint8(at + 1) & 0x03;
  const from = cdb.getUint16(at + 2);
  const isLoaded = drive.medium !== undefined;
  scratch.fill(0, 0, 256);
  let length: number = ConfigurationHeader.$size;
  for (const [code, isPersistent, data] of features(isLoaded)) {
    const isCurrent = isPersistent || isLoaded;
    if (wanted === ConfigurationRequest.One ? code !== from : code < from) continue;
    if (wanted === ConfigurationRequest.Current && !isCurrent) continue;
    const flags = (isPersistent ? FeatureFlag.Persistent : 0) | (isCurrent ? FeatureFlag.Current : 0);
    FeatureHeader.encode(view, length, { code, flags, length: data.length });
    scratch.set(data, length + FeatureHeader.$size);
    length += FeatureHeader.$size + data.length;
  }
  ConfigurationHeader.encode(view, 0, { length: length - 4, profile: isLoaded ? Profile.DvdRom : Profile.None });
  return request.reply(length, cdb.getUint16(at + 7));
}

/** Code, whether it is always there, and what it says. */
function features(isLoaded: boolean): readonly (readonly [number, boolean, readonly number[]])[] {
  return [
    [Feature.Profiles, true, [0, Profile.DvdRom, isLoaded ? 1 : 0, 0, 0, Profile.CdRom, 0, 0]],
    [Feature.Core, true, [0, 0, 0, INTERFACE_SCSI, 0, 0, 0, 0]],
    [Feature.Removable, true, [REMOVABLE_TRAY, 0, 0, 0]],
    [Feature.RandomRead, false, [0, 0, DVD_SECTOR_BYTES >> 8, DVD_SECTOR_BYTES & 0xff, 0, 1, 0, 0]],
    [Feature.CdRead, false, [0, 0, 0, 0]],
    [Feature.DvdRead, false, []],
  ];
}

export function eventStatus(request: UnitRequest, drive: DvdDrive): number {
  const { scratch, scratchView: view, cdb, at } = request;
  if ((cdb.getUint8(at + 1) & POLLED) === 0) return Sense.InvalidFieldInCdb;
  const isAsked = (cdb.getUint8(at + 4) & (1 << EventClass.Medium)) !== 0;
  const length = EventHeader.$size + (isAsked ? MediumEvent.$size : 0);
  scratch.fill(0, 0, length);
  EventHeader.encode(view, 0, {
    length: length - 2, eventClass: isAsked ? EventClass.Medium : EventClass.None,
    supportedClasses: 1 << EventClass.Medium,
  });
  if (isAsked) {
    MediumEvent.encode(view, EventHeader.$size, {
      event: drive.state.mediumEvent, status: drive.medium === undefined ? 0 : MEDIUM_PRESENT,
    });
    drive.state.mediumEvent = MediumEventCode.None;
  }
  return request.reply(length, cdb.getUint16(at + 7));
}

export function readDiscInformation(request: UnitRequest): number {
  DiscInformation.encode(request.scratchView, 0, {
    length: DiscInformation.$size - 2, status: DISC_COMPLETE, firstTrack: 1, sessions: 1, firstTrackOfLast: 1,
    lastTrackOfLast: 1, rest: new Uint8Array(27),
  });
  return request.reply(DiscInformation.$size, request.cdb.getUint16(request.at + 7));
}

export function readTrackInformation(request: UnitRequest, drive: DvdDrive): number {
  request.scratch.fill(0, 0, TrackInformation.$size);
  TrackInformation.encode(request.scratchView, 0, {
    length: TrackInformation.$size - 2, track: 1, session: 1, trackMode: DATA_TRACK & 0x0f, dataMode: 1,
    blocks: Math.min(drive.blockCount, 0xffff_ffff),
  });
  return request.reply(TrackInformation.$size, request.cdb.getUint16(request.at + 7));
}

export function mechanismStatus(request: UnitRequest): number {
  request.scratch.fill(0, 0, MechanismStatus.$size);
  return request.reply(MechanismStatus.$size, request.cdb.getUint16(request.at + 8));
}
