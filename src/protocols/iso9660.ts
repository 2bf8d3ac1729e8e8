/**
 * ISO 9660 [ECMA-119, 4th edition] with the names of the Joliet extension [Joliet Specification] and of Rock Ridge
 * [IEEE P1281 SUSP, P1282 RRIP]. Numbers are recorded in both byte orders, the little-endian one first.
 */
import { ascii, bytes, struct, u16, u16be, u32, u32be, u8, type Codec } from '../wire/struct.ts';

const both32: Codec<number> = {
  size: 8,
  get: (view, at) => view.getUint32(at, true),
  set: (view, at, value) => {
    view.setUint32(at, value, true);
    view.setUint32(at + 4, value);
  },
};
const both16: Codec<number> = {
  size: 4,
  get: (view, at) => view.getUint16(at, true),
  set: (view, at, value) => {
    view.setUint16(at, value, true);
    view.setUint16(at + 2, value);
  },
};

export const ISO_SECTOR_BYTES = 2048;
/** The volume descriptors begin behind the system area [6.2]. */
export const DESCRIPTOR_SECTOR = 16;
/** "CD001" [8.1.2]. */
export const STANDARD_ID = 'CD001';
export const DescriptorType = { Primary: 1, Supplementary: 2, Terminator: 255 } as const;
/** UCS-2 level 3, as Joliet has it. */
export const JOLIET_ESCAPE = '%/E';

/** A primary [8.4] or supplementary [8.5] volume descriptor, to the end of what is in use. */
export const VolumeDescriptor = struct('volume_descriptor', 882, {
  type: u8, standardId: ascii(5), version: u8, flags: u8, systemId: bytes(32), volumeId: bytes(32), unused1: bytes(8),
  volumeSectors: both32, escapes: ascii(32), setSize: both16, sequenceNumber: both16, sectorBytes: both16,
  pathTableBytes: both32, littlePathTable: u32, optionalLittlePathTable: u32, bigPathTable: u32be,
  optionalBigPathTable: u32be, rootRecord: bytes(34), volumeSetId: bytes(128), publisherId: bytes(128),
  preparerId: bytes(128), applicationId: bytes(128), copyrightFile: bytes(37), abstractFile: bytes(37),
  bibliographicFile: bytes(37), created: bytes(17), modified: bytes(17), expires: bytes(17), effective: bytes(17),
  structureVersion: u8,
});

/** A directory record up to its name [9.1]; the name and, from an even offset on, the system use area follow. */
export const DirectoryRecord = struct('directory_record', 33, {
  recordBytes: u8, extendedAttributeSectors: u8, extentSector: both32, dataBytes: both32, recordedAt: bytes(7),
  flags: u8, unitSectors: u8, gapSectors: u8, volumeNumber: both16, nameBytes: u8,
});
export const RecordFlag = { Directory: 2, MultiExtent: 0x80 } as const;

/** A record of a path table up to its name [9.4]. */
export const LittlePathRecord = struct('path_record', 8, {
  nameBytes: u8, extendedAttributeSectors: u8, extentSector: u32, parentNumber: u16,
});
export const BigPathRecord = struct('path_record_be', 8, {
  nameBytes: u8, extendedAttributeSectors: u8, extentSector: u32be, parentNumber: u16be,
});

/** The start of an entry of the system use area [SUSP 4]. */
export const SystemUseEntry = struct('system_use_entry', 4, { signature: ascii(2), lengthBytes: u8, version: u8 });
/** "SP": system use entries are there [SUSP 5.3]. */
export const SHARING_CHECK = [0xbe, 0xef];
/** What the extensions reference says of Rock Ridge [RRIP 4.3]. */
export const ROCK_RIDGE_ID = 'RRIP_1991A';
/** POSIX attributes [RRIP 4.1.1]. */
export const PosixAttributes = struct('posix_attributes', 36, {
  signature: ascii(2), lengthBytes: u8, version: u8, mode: both32, links: both32, user: both32, group: both32,
});
/** Flags of a name [RRIP 4.1.4]. */
export const NameFlag = { Continue: 1, Current: 2, Parent: 4 } as const;
