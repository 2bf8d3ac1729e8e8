/** The FAT file system as far as a reader needs it [Microsoft FAT32 File System Specification 1.03]. */
import { ascii, bytes, struct, u16, u32, u8 } from '../wire/struct.ts';

/** The BIOS parameter block, with the part of FAT12 and FAT16 behind it [FAT 3.1, 3.2]. */
export const FatParameters = struct('fat_bpb', 62, {
  jump: bytes(3), oem: bytes(8), sectorBytes: u16, clusterSectors: u8, reservedSectors: u16, tables: u8,
  rootEntries: u16, totalSectors16: u16, media: u8, tableSectors16: u16, unused1: bytes(4), hiddenSectors: u32,
  totalSectors32: u32, drive: u8, unused2: u8, signature: u8, serial: u32, label: ascii(11, ' '), type: ascii(8, ' '),
});
/** The same place in FAT32 [FAT 3.3]. */
export const Fat32Parameters = struct('fat32_bpb', 90, {
  common: bytes(36), tableSectors32: u32, flags: u16, version: u16, rootCluster: u32, infoSector: u16,
  backupSector: u16, unused1: bytes(12), drive: u8, unused2: u8, signature: u8, serial: u32, label: ascii(11, ' '),
  type: ascii(8, ' '),
});
export const FAT_BOOT_BYTES = 512;
/** At the end of the boot sector. */
export const FAT_SIGNATURE = 0xaa55;
/** What says which kind it is: fewer clusters than these [FAT 3.5]. */
export const FAT12_CLUSTERS = 4085;
export const FAT16_CLUSTERS = 65525;

/** An entry of a directory [FAT 6.1]. */
export const FatEntry = struct('fat_entry', 32, {
  name: ascii(11, ' '), attributes: u8, reserved: u8, createdTenth: u8, createdTime: u16, createdDate: u16,
  accessedDate: u16, clusterHigh: u16, writtenTime: u16, writtenDate: u16, clusterLow: u16, sizeBytes: u32,
});
export const FatAttribute = { Volume: 8, Directory: 0x10, LongName: 0x0f, LongNameMask: 0x3f } as const;
export const FAT_ENTRY_FREE = 0xe5;
/** A part of a long name: 13 characters of UTF-16 at these offsets, the last part first [FAT 7.1]. */
export const LONG_NAME_OFFSETS = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
export const LONG_NAME_LAST = 0x40;
export const LONG_NAME_ORDER_MASK = 0x1f;
