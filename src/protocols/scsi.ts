/**
 * SCSI commands and what they return, as far as disks have it [SPC-4 r37, SBC-3 r36]. Numbers are big-endian.
 */

import { ascii, bytes, struct, u16be, u32be, u8, type Codec } from '../wire/struct.ts';

/** A big-endian value of 64 bits; one of 2^53 and more reads as a double that is near it. */
export const u64be: Codec<number> = {
  size: 8,
  get: (view, at) => view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4),
  set: (view, at, value) => {
    view.setUint32(at, Math.floor(value / 0x1_0000_0000) >>> 0);
    view.setUint32(at + 4, value >>> 0);
  },
};

/** Operation codes [SPC-4 annex E]. */
export const ScsiCommand = {
  TestUnitReady: 0x00,
  RequestSense: 0x03,
  Read6: 0x08,
  Write6: 0x0a,
  Inquiry: 0x12,
  ModeSense6: 0x1a,
  StartStopUnit: 0x1b,
  PreventAllowRemoval: 0x1e,
  ReadCapacity10: 0x25,
  Read10: 0x28,
  Write10: 0x2a,
  WriteVerify10: 0x2e,
  Verify10: 0x2f,
  Prefetch10: 0x34,
  SynchronizeCache10: 0x35,
  WriteSame10: 0x41,
  Unmap: 0x42,
  ModeSense10: 0x5a,
  ReserveIn: 0x5e,
  ReserveOut: 0x5f,
  Read16: 0x88,
  Write16: 0x8a,
  WriteVerify16: 0x8e,
  Verify16: 0x8f,
  Prefetch16: 0x90,
  SynchronizeCache16: 0x91,
  WriteSame16: 0x93,
  ServiceActionIn16: 0x9e,
  ReportLuns: 0xa0,
  MaintenanceIn: 0xa3,
  Read12: 0xa8,
  Write12: 0xaa,
  WriteVerify12: 0xae,
  Verify12: 0xaf,
} as const;

/** Of ServiceActionIn16, in the low five bits of byte 1. */
export const ServiceAction = { ReadCapacity16: 0x10, GetLbaStatus: 0x12 } as const;

export const ScsiStatus = { Good: 0x00, CheckCondition: 0x02, ReservationConflict: 0x18 } as const;

/** Where a command has its block address and length. */
export const Cdb6 = struct('CDB of 6 bytes', 6, {
  operation: u8, addressHigh: u8, addressLow: u16be, length: u8, control: u8,
});
export const Cdb10 = struct('CDB of 10 bytes', 10, {
  operation: u8, flags: u8, address: u32be, group: u8, length: u16be, control: u8,
});
export const Cdb12 = struct('CDB of 12 bytes', 12, {
  operation: u8, flags: u8, address: u32be, length: u32be, group: u8, control: u8,
});
export const Cdb16 = struct('CDB of 16 bytes', 16, {
  operation: u8, flags: u8, address: u64be, length: u32be, group: u8, control: u8,
});

/** Bits of byte 1 of the commands above. */
export const CdbFlag = {
  /** READ, WRITE: the medium itself, not a cache. */
  ForceUnitAccess: 0x08,
  /** WRITE SAME: the blocks may be given back. */
  Unmap: 0x08,
  Anchor: 0x10,
  /** WRITE SAME: there is no data to write, and zeros are meant. */
  NoDataOut: 0x01,
  /** VERIFY: compare with data from the initiator. */
  ByteCheckMask: 0x06,
  /** INQUIRY: a page of vital product data. */
  VitalProductData: 0x01,
} as const;

/** Fixed-format sense data, as much as fits an SRB [SPC-4 4.5.3]. */
export const SENSE_SIZE = 18;
export const FIXED_SENSE = 0x70;
export const SenseData = struct('fixed sense data', SENSE_SIZE, {
  responseCode: u8,
  obsolete: u8,
  senseKey: u8,
  information: u32be,
  additionalLength: u8,
  commandInformation: u32be,
  additionalCode: u8,
  qualifier: u8,
  unitCode: u8,
  keySpecific: bytes(3),
});

/** Sense key, additional sense code and its qualifier, in one number: 0xKKAAQQ [SPC-4 annex D]. */
export const Sense = {
  None: 0x00_0000,
  MediumNotPresent: 0x02_3a00,
  WriteError: 0x03_0c00,
  ReadError: 0x03_1100,
  InternalTargetFailure: 0x04_4400,
  ParameterListLengthError: 0x05_1a00,
  InvalidOperationCode: 0x05_2000,
  AddressOutOfRange: 0x05_2100,
  InvalidFieldInCdb: 0x05_2400,
  UnitNotSupported: 0x05_2500,
  InvalidFieldInParameters: 0x05_2600,
  InvalidRelease: 0x05_2604,
  SavingNotSupported: 0x05_3900,
  RemovalPrevented: 0x05_5302,
  MediumChanged: 0x06_2800,
  CapacityChanged: 0x06_2a09,
  UnitsChanged: 0x06_3f0e,
  WriteProtected: 0x07_2700,
  /** No room behind a disk that takes it as it goes [SBC-3 4.7.3.6]. */
  SpaceAllocationFailed: 0x07_2707,
} as const;

/** Standard INQUIRY data [SPC-4 6.6.2]. */
export const InquiryData = struct('standard INQUIRY data', 36, {
  peripheral: u8,
  removable: u8,
  version: u8,
  responseFormat: u8,
  additionalLength: u8,
  flags5: u8,
  flags6: u8,
  flags7: u8,
  vendor: ascii(8, ' '),
  product: ascii(16, ' '),
  revision: ascii(4, ' '),
});
/** Qualifier 3, type 31: there is no device, and there can be none. */
export const PERIPHERAL_ABSENT = 0x7f;
export const PERIPHERAL_DISK = 0;
export const PERIPHERAL_DVD = 5;
/** In the second byte: the medium can be taken out. */
export const REMOVABLE = 0x80;
export const INQUIRY_VERSION_SPC3 = 5;

/** Pages of vital product data [SPC-4 7.8, SBC-3 6.5]. */
export const VitalPage = {
  Supported: 0x00,
  SerialNumber: 0x80,
  Identification: 0x83,
  BlockLimits: 0xb0,
  BlockCharacteristics: 0xb1,
  Provisioning: 0xb2,
} as const;
export const VitalPageHeader = struct('VPD page header', 4, { peripheral: u8, page: u8, length: u16be });
/** NAA identifier in binary, of the logical unit. */
export const NaaDesignator = struct('NAA designation descriptor', 20, {
  codeSet: u8, type: u8, reserved: u8, length: u8, designator: bytes(16),
});
export const BlockLimits = struct('Block Limits VPD page', 64, {
  peripheral: u8,
  page: u8,
  length: u16be,
  zeroLengthRule: u8,
  compareAndWriteLength: u8,
  transferGranularity: u16be,
  maximumTransfer: u32be,
  optimalTransfer: u32be,
  maximumPrefetch: u32be,
  maximumUnmapBlocks: u32be,
  maximumUnmapDescriptors: u32be,
  unmapGranularity: u32be,
  unmapAlignment: u32be,
  maximumWriteSame: u64be,
  reserved: bytes(20),
});
export const BlockCharacteristics = struct('Block Device Characteristics VPD page', 64, {
  peripheral: u8, page: u8, length: u16be, rotationRate: u16be, product: u8, formFactor: u8, reserved: bytes(56),
});
export const NOT_ROTATING = 1;
export const Provisioning = struct('Logical Block Provisioning VPD page', 8, {
  peripheral: u8, page: u8, length: u16be, thresholdExponent: u8, flags: u8, type: u8, reserved: u8,
});
export const ProvisioningFlag = { Unmap: 0x80, WriteSame16: 0x40, WriteSame10: 0x20, ReadsZeros: 0x04 } as const;
export const ProvisioningType = { Full: 0, Thin: 2 } as const;

export const Capacity10 = struct('READ CAPACITY (10) data', 8, { lastAddress: u32be, blockLength: u32be });
export const Capacity16 = struct('READ CAPACITY (16) data', 32, {
  lastAddress: u64be,
  blockLength: u32be,
  protection: u8,
  exponent: u8,
  provisioning: u16be,
  reserved: bytes(16),
});
export const CapacityProvisioning = { Managed: 0x8000, ReadsZeros: 0x4000 } as const;

/** Mode pages [SPC-4 7.5, SBC-3 6.4]. */
export const ModeHeader6 = struct('mode parameter header (6)', 4, {
  length: u8, mediumType: u8, deviceSpecific: u8, descriptorLength: u8,
});
export const ModeHeader10 = struct('mode parameter header (10)', 8, {
  length: u16be, mediumType: u8, deviceSpecific: u8, longAddresses: u8, reserved: u8, descriptorLength: u16be,
});
export const ModeDevice = { WriteProtected: 0x80, ForceUnitAccess: 0x10 } as const;
export const ModePage = { Caching: 0x08, Control: 0x0a, All: 0x3f } as const;
export const CachingPage = struct('Caching mode page', 20, { page: u8, length: u8, flags: u8, rest: bytes(17) });
export const CACHE_WRITES = 0x04;
export const ControlPage = struct('Control mode page', 12, { page: u8, length: u8, rest: bytes(10) });

export const UnmapHeader = struct('UNMAP parameter list header', 8, {
  dataLength: u16be, descriptorLength: u16be, reserved: u32be,
});
export const UnmapDescriptor = struct('UNMAP block descriptor', 16, { address: u64be, blocks: u32be, reserved: u32be });

export const LbaStatusHeader = struct('GET LBA STATUS header', 8, { length: u32be, reserved: u32be });
export const LbaStatusDescriptor = struct('LBA status descriptor', 16, {
  address: u64be, blocks: u32be, status: u8, reserved: bytes(3),
});
export const LbaStatus = { Mapped: 0, Deallocated: 1 } as const;

export const LunListHeader = struct('REPORT LUNS header', 8, { length: u32be, reserved: u32be });
/** One of the list, with peripheral device addressing [SAM-5 4.7.7.2]. */
export const LUN_ENTRY_SIZE = 8;

/** Persistent reservations [SPC-4 6.15, 6.16]. */
export const ReserveReadAction = { Keys: 0, Reservation: 1, Capabilities: 2, FullStatus: 3 } as const;
export const ReserveAction = {
  Register: 0, Reserve: 1, Release: 2, Clear: 3, Preempt: 4, PreemptAndAbort: 5, RegisterAndIgnore: 6,
} as const;
export const ReservationType = {
  WriteExclusive: 1,
  ExclusiveAccess: 3,
  WriteExclusiveRegistrants: 5,
  ExclusiveAccessRegistrants: 6,
  WriteExclusiveAll: 7,
  ExclusiveAccessAll: 8,
} as const;
export const ReserveFlag = { PersistThroughPowerLoss: 0x01, AllPorts: 0x04, SpecifyPorts: 0x08 } as const;
export const RESERVE_KEY_SIZE = 8;
export const ReserveHeader = struct('PERSISTENT RESERVE IN header', 8, { generation: u32be, length: u32be });
export const ReservationDescriptor = struct('reservation descriptor', 16, {
  keyHigh: u32be, keyLow: u32be, obsolete: u32be, reserved: u8, scopeAndType: u8, obsolete2: u16be,
});
export const ReserveStatusDescriptor = struct('full status descriptor', 24, {
  keyHigh: u32be, keyLow: u32be, reserved: u32be, flags: u8, scopeAndType: u8, reserved2: u32be, targetPort: u16be,
  additionalLength: u32be,
});
export const ReserveCapabilities = struct('REPORT CAPABILITIES data', 8, {
  length: u16be, flags: u8, typeMaskFlags: u8, typeMask: u16be, reserved: u16be,
});
export const ReserveParameters = struct('PERSISTENT RESERVE OUT parameter list', 24, {
  keyHigh: u32be, keyLow: u32be, newKeyHigh: u32be, newKeyLow: u32be, obsolete: u32be, flags: u8, reserved: u8,
  obsolete2: u16be,
});

/** REPORT SUPPORTED OPERATION CODES [SPC-4 6.35]. */
export const MaintenanceAction = { ReportOperations: 0x0c } as const;
export const OperationListHeader = struct('all_commands header', 4, { length: u32be });
export const OperationDescriptor = struct('command descriptor', 8, {
  operation: u8, reserved: u8, serviceAction: u16be, reserved2: u8, flags: u8, size: u16be,
});
