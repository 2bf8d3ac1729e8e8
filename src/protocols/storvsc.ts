/**
 * The synthetic SCSI controller's packets [Linux drivers/scsi/storvsc_drv.c, struct vstor_packet and what it holds].
 * Each is 64 bytes: an operation, and for ExecuteSrb a SCSI request whose data lies in pages that the packet of the
 * ring names. Every answer is a completion with operation CompleteIo.
 */

import { bytes, struct, u16, u32, u8, type Codec } from '../wire/struct.ts';

export const StorvscOperation = {
  CompleteIo: 1,
  RemoveDevice: 2,
  ExecuteSrb: 3,
  ResetLun: 4,
  ResetAdapter: 5,
  ResetBus: 6,
  BeginInitialization: 7,
  EndInitialization: 8,
  QueryProtocolVersion: 9,
  QueryProperties: 10,
  EnumerateBus: 11,
  FibreChannelHba: 12,
  CreateSubChannels: 13,
} as const;

/** Major number in the high byte. */
export const StorvscVersion = { Windows8: 0x0501, Windows8Point1: 0x0600, Windows10: 0x0602 } as const;

export const VSTOR_PACKET_SIZE = 64;
export const VstorPacket = struct('vstor_packet', 12, { operation: u32, flags: u32, status: u32 });
/** What of a packet depends on its operation begins here. */
export const VSTOR_BODY = VstorPacket.$size;

/** Body of QueryProtocolVersion. */
export const StorvscProtocolVersion = struct('vmstorage_protocol_version', 4, { version: u16, revision: u16 });

/** Body of the answer to QueryProperties. */
export const StorvscProperties = struct('vmstorage_channel_properties', 24, {
  reserved: u32,
  maxSubChannels: u16,
  reserved1: u16,
  flags: u32,
  maxTransferBytes: u32,
  reserved2: bytes(8),
});
export const StorvscPropertyFlag = { MultiChannel: 1 } as const;

/** Body of CreateSubChannels: how many. */
export const StorvscSubChannels: Codec<number> = u16;

export const SRB_CDB_SIZE = 16;
export const SRB_SENSE_SIZE = 20;
/** Body of ExecuteSrb and of its answer, in which the sense data takes the place of the command. */
export const ScsiRequest = struct('vmscsi_request', 52, {
  length: u16,
  srbStatus: u8,
  scsiStatus: u8,
  port: u8,
  path: u8,
  target: u8,
  lun: u8,
  cdbLength: u8,
  senseLength: u8,
  dataIn: u8,
  reserved: u8,
  transferLength: u32,
  cdb: bytes(SRB_CDB_SIZE),
  senseRest: bytes(SRB_SENSE_SIZE - SRB_CDB_SIZE),
  reserved2: u16,
  queueTag: u8,
  queueAction: u8,
  srbFlags: u32,
  timeoutSeconds: u32,
  sortKey: u32,
});

export const DataDirection = { ToDevice: 0, FromDevice: 1, None: 2 } as const;

/** [Windows driver kit srb.h, SRB_STATUS_…] */
export const SrbStatus = {
  Success: 0x01,
  Aborted: 0x02,
  Error: 0x04,
  InvalidRequest: 0x06,
  NoDevice: 0x08,
  InvalidLun: 0x20,
} as const;
/** Added to a status when the answer holds sense data. */
export const SRB_AUTOSENSE_VALID = 0x80;

/** NTSTATUS in the head of an answer. */
export const StorvscStatus = {
  Success: 0,
  InvalidParameter: 0xc000_000d,
  InvalidDeviceRequest: 0xc000_0010,
  RevisionMismatch: 0xc000_0059,
} as const;
