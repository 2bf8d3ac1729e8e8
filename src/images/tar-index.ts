/** Where the files of a tar archive are, for archives that are too large to be read as a whole [POSIX.1-2017, pax]. */

import type { BlockFile } from '../storage/block-file.ts';
import { badArchive } from './bad-archive.ts';

export interface TarMember {
  readonly name: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

const BLOCK_BYTES = 512;
const MEMBERS_MAX = 10_000;
const SIZE_AT = 124;
const TYPE_AT = 156;
const PREFIX_AT = 345;
const MAGIC_AT = 257;

/** Ordinary files only. @throws OperatingError for what is no archive. */
export function readTarIndex(file: BlockFile): TarMember[] {
  const members: TarMember[] = [];
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0, count = 0; at + BLOCK_BYTES <= file.sizeBytes; count++) {
    file.readSync(block, 0, BLOCK_BYTES, at);
    if (block.every((byte) => byte === 0)) break;
    if (block.toString('latin1', MAGIC_AT, MAGIC_AT + 5) !== 'ustar' || count > MEMBERS_MAX) {
      throw badArchive(`${file.name} is no tar archive at byte ${at}`);
    }
    const sizeBytes = sizeOf(block);
    const offset = at + BLOCK_BYTES;
    if (!(sizeBytes >= 0) || offset + sizeBytes > file.sizeBytes) {
      throw badArchive(`${file.name} ends within the file at byte ${at}`);
    }
    const isFile = ['0', '\0', '7'].includes(String.fromCharCode(block[TYPE_AT]!));
    if (isFile) members.push({ name: nameOf(block), offset, sizeBytes });
    at = offset + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return members;
}

/** Octal digits, or, from 8 GiB on, a binary number with the first bit set. */
function sizeOf(block: Buffer): number {
  if ((block[SIZE_AT]! & 0x80) === 0) {
    const text = block.toString('latin1', SIZE_AT, SIZE_AT + 12).replace(/[\0 ].*$/s, '');
    return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : -1;
  }
  return block.readUInt32BE(SIZE_AT + 4) * 0x1_0000_0000 + block.readUInt32BE(SIZE_AT + 8);
}

function nameOf(block: Buffer): string {
  const field = (at: number, length: number): string =>
    block.toString('utf8', at, at + length).replace(/\0[^]*$/, '');
  const prefix = field(PREFIX_AT, 155);
  return prefix === '' ? field(0, 100) : `${prefix}/${field(0, 100)}`;
}
