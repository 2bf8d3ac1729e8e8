/**
 * The ELF file inside a bzImage: its compressed payload lies where the set-up header says
 * [Linux, Documentation/arch/x86/boot.rst, payload_offset and payload_length].
 */

import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decompress } from '../src/images/compression.ts';
import { LZ4_LEGACY_MAGIC, unpackLz4Legacy } from './lz4.ts';

const SETUP_SECTORS = 0x1f1;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const SECTOR_BYTES = 512;
/** A Debian kernel unpacks to 40 to 80 MB. */
const MAXIMUM_BYTES = 256 * 2 ** 20;
/** Behind the compressed stream the build leaves the unpacked size, which is no part of it. */
const SIZE_BYTES = 4;

/** Unpacks the kernel into a new temporary folder, which the caller removes; the path of the ELF file. */
export async function extractVmlinux(bzImage: string): Promise<string> {
  const file = readFileSync(bzImage);
  const start = ((file[SETUP_SECTORS] ?? 0) + 1) * SECTOR_BYTES + file.readUInt32LE(PAYLOAD_OFFSET);
  const payload = file.subarray(start, start + file.readUInt32LE(PAYLOAD_LENGTH) - SIZE_BYTES);
  const elf = payload.readUInt32LE(0) === LZ4_LEGACY_MAGIC
    ? unpackLz4Legacy(payload) : await decompress(payload, MAXIMUM_BYTES, 'the kernel');
  if (elf[0] !== 0x7f || elf[1] !== 0x45) throw new Error(`${bzImage} unpacks to something that is no ELF file`);
  const path = join(mkdtempSync(join(tmpdir(), 'partout-kernel-')), 'vmlinux');
  writeFileSync(path, elf);
  return path;
}
