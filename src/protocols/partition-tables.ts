/** How disks are divided: by a GUID partition table [UEFI 2.10, 5.3], or by the older MBR [UEFI 2.10, 5.2]. */
import { guid } from '../wire/guid.ts';
import { ascii, bytes, struct, u32, u53, u8 } from '../wire/struct.ts';

export const MBR_BYTES = 512;
export const MBR_TABLE_OFFSET = 446;
export const MBR_ENTRIES = 4;
export const MBR_SIGNATURE_OFFSET = 510;
export const MBR_SIGNATURE = 0xaa55;
export const MbrEntry = struct('mbr_partition', 16, {
  status: u8, firstCylinder: bytes(3), type: u8, lastCylinder: bytes(3), firstSector: u32, sectors: u32,
});
/** Of MBR entries: one that only says that there is a GPT, and the two that hold further tables. */
export const MBR_TYPE_GPT = 0xee;
export const MBR_EXTENDED_TYPES = [0x05, 0x0f, 0x85];
export const MBR_ACTIVE = 0x80;

export const GPT_SIGNATURE = 'EFI PART';
export const GptHeader = struct('gpt_header', 92, {
  signature: ascii(8), revision: u32, headerBytes: u32, checksum: u32, reserved: u32, ownSector: u53,
  otherSector: u53, firstUsable: u53, lastUsable: u53, diskGuid: bytes(16), entriesSector: u53, entries: u32,
  entryBytes: u32, entriesChecksum: u32,
});
export const GptEntry = struct('gpt_entry', 128, {
  type: guid, id: guid, firstSector: u53, lastSector: u53, attributes: bytes(8), name: bytes(72),
});
