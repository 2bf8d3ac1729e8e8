/**
 * A saved state as a file: our own format, described in docs/saved-state.md.
 *
 *     0x0000  StateHeader                 then a DiskStamp for each disk; the block of 4096 bytes has one checksum
 *     0x1000  contents of the chunks      one behind another, each deflated: the pages of a chunk that are not zero
 *     then    a ChunkEntry a chunk        in ascending order; chunks that are all zeros are nowhere
 *     then    the value                   JSON, deflated: everything but memory
 */
import { bytes, struct, u32, u53 } from '../../wire/struct.ts';

/** A byte that no text has, our name, and both ends of lines: what a transfer as text would change. */
export const MAGIC = Uint8Array.from([
  0x89, ...[...'PARTOUT'].map((letter) => letter.charCodeAt(0)), 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0,
]);
export const FORMAT_VERSION = 1;

export const HEADER_BYTES = 4096;

export const StateHeader = struct('state_header', 128, {
  magic: bytes(16),
  formatVersion: u32,
  /** CRC-32 of the header's block, as if this were 0. */
  checksum: u32,
  memoryBytes: u53,
  tableOffset: u53,
  chunkCount: u32,
  tableChecksum: u32,
  valueOffset: u53,
  valueBytes: u32,
  /** Before it was deflated. */
  valueTextBytes: u32,
  valueChecksum: u32,
  stampCount: u32,
  spare: bytes(56),
});

/** What a disk's file was when the guest let go of it. */
export const DiskStamp = struct('disk_stamp', 16, {
  sizeBytes: u53,
  modifiedMicroseconds: u53,
});

export const ChunkEntry = struct('chunk_entry', 16, {
  /** From the lowest address of RAM, as it lies in the engine's memory. */
  chunk: u32,
  /** Bit n: page n of 16 is not all zeros. RECENT: the guest has used the chunk shortly before. */
  pages: u32,
  /** Deflated; as stored blocks when the guest has used the chunk shortly before. */
  storedBytes: u32,
  /** CRC-32 of them. */
  checksum: u32,
});

export const ALL_PAGES = 0xffff;
/** In `pages`: worth reading before the others. */
export const RECENT = 1 << 16;

/** A deflated chunk is at most a little longer than the chunk. */
export const MAXIMUM_STORED_BYTES = 65_536 + 512;
/** A guest with 64 processors, 8 NICs and 2047 channels needs a tenth of it. */
export const MAXIMUM_VALUE_BYTES = 64 * 2 ** 20;

/** As many as the header has room for. */
export const MAXIMUM_STAMPS = Math.floor((HEADER_BYTES - StateHeader.$size) / DiskStamp.$size);
