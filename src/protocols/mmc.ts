/** What a DVD drive knows beside the commands of a disk [MMC-6 r2g]. Numbers are big-endian. */

import { bytes, struct, u16be, u32be, u8 } from '../wire/struct.ts';

export const DVD_SECTOR_BYTES = 2048;

/** Operation codes. */
export const MmcCommand = {
  ReadToc: 0x43,
  GetConfiguration: 0x46,
  GetEventStatus: 0x4a,
  ReadDiscInformation: 0x51,
  ReadTrackInformation: 0x52,
  MechanismStatus: 0xbd,
} as const;

/** READ TOC/PMA/ATIP [MMC-6 6.25]. */
export const TocFormat = { Tracks: 0, Sessions: 1 } as const;
export const TocHeader = struct('READ TOC header', 4, { length: u16be, first: u8, last: u8 });
export const TocTrack = struct('TOC track descriptor', 8, {
  reserved: u8, control: u8, track: u8, reserved2: u8, address: u32be,
});
/** A track of data, whose position the sub-channel tells. */
export const DATA_TRACK = 0x14;
export const LEAD_OUT = 0xaa;
/** Bit of byte 1: addresses as minutes, seconds and frames. */
export const TOC_MSF = 0x02;

/** GET CONFIGURATION [MMC-6 6.5, 5.3]. */
export const ConfigurationHeader = struct('feature header', 8, { length: u32be, reserved: u16be, profile: u16be });
export const FeatureHeader = struct('feature descriptor', 4, { code: u16be, flags: u8, length: u8 });
export const FeatureFlag = { Current: 0x01, Persistent: 0x02 } as const;
export const Feature = {
  Profiles: 0x0000, Core: 0x0001, Removable: 0x0003, RandomRead: 0x0010, CdRead: 0x001e, DvdRead: 0x001f,
} as const;
export const Profile = { None: 0, CdRom: 0x0008, DvdRom: 0x0010 } as const;
/** Bits 0 to 1 of byte 1: all features, those that are current, or the one that is named. */
export const ConfigurationRequest = { All: 0, Current: 1, One: 2 } as const;

/** GET EVENT STATUS NOTIFICATION [MMC-6 6.6]. */
export const EventHeader = struct('event header', 4, { length: u16be, eventClass: u8, supportedClasses: u8 });
export const MediumEvent = struct('media event', 4, { event: u8, status: u8, startSlot: u8, endSlot: u8 });
export const EventClass = { Medium: 4, None: 0x80 } as const;
export const MediumEventCode = { None: 0, EjectRequest: 1, NewMedium: 2, Removal: 3 } as const;
export const MEDIUM_PRESENT = 0x02;

/** MODE SENSE page of what the drive can do [MMC-3 5.5.10]. */
export const CAPABILITIES_PAGE = 0x2a;
export const CapabilitiesPage = struct('CD/DVD capabilities page', 22, {
  page: u8, length: u8, reads: u8, writes: u8, flags4: u8, flags5: u8, flags6: u8, flags7: u8, maximumSpeed: u16be,
  volumeLevels: u16be, bufferKib: u16be, speed: u16be, rest: bytes(6),
});
export const CapabilityReads = { CdR: 0x01, CdRw: 0x02, DvdRom: 0x08, DvdR: 0x10 } as const;
/** The medium can be locked, taken out by a command, and comes on a tray. */
export const CAPABILITY_TRAY = 0x29;

export const DiscInformation = struct('disc information', 34, {
  length: u16be, status: u8, firstTrack: u8, sessions: u8, firstTrackOfLast: u8, lastTrackOfLast: u8, rest: bytes(27),
});
/** A disc that is finished, as its last session is. */
export const DISC_COMPLETE = 0x0e;
export const TrackInformation = struct('track information', 36, {
  length: u16be, track: u8, session: u8, reserved: u8, trackMode: u8, dataMode: u8, flags: u8, start: u32be,
  nextWritable: u32be, freeBlocks: u32be, packetBlocks: u32be, blocks: u32be, rest: bytes(8),
});
export const MechanismStatus = struct('mechanism status', 8, { rest: bytes(8) });
