/**
 * A tar reader: POSIX ustar and pax (POSIX.1-2001 "pax Interchange Format") with the GNU extensions that dpkg writes
 * (long names `L` and `K`, base-256 numbers). Sparse files and multi-volume archives are refused.
 */

import type { ArchiveEntry, EntryKind } from './archive-entry.ts';
import { badArchive } from './bad-archive.ts';

const BLOCK_BYTES = 512;
const MAX_EXTENSION_BYTES = 1 << 20;
const MAX_PATH_BYTES = 1 << 16;
const NO_DATA = new Uint8Array(0);

const KINDS: Readonly<Record<string, EntryKind>> = {
  '0': 'file', '\0': 'file', '7': 'file', '1': 'hardlink', '2': 'symlink', '3': 'character', '4': 'block',
  '5': 'directory', '6': 'fifo',
};

/** What extension headers said about the entry that follows them. */
interface Extension {
  path?: string;
  target?: string;
  sizeBytes?: number;
  uid?: number;
  gid?: number;
  modifiedSeconds?: number;
}

interface Header {
  readonly type: string;
  readonly sizeBytes: number;
}

/** The entries in order, file data as views of the archive. Throws an OperatingError for anything malformed. */
export function* readTar(archive: Uint8Array): Generator<ArchiveEntry> {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.length);
  let extension: Extension = {};
  let offset = 0;
  while (offset < bytes.length) {
    const block = bytes.subarray(offset, offset + BLOCK_BYTES);
    if (block.length < BLOCK_BYTES) throw badArchive('the tar archive ends within a header');
    if (block.every((byte) => byte === 0)) return;
    const header = readHeader(block, offset);
    const isExtension = 'LKxg'.includes(header.type);
    const sizeBytes = isExtension ? header.sizeBytes : (extension.sizeBytes ?? header.sizeBytes);
    const start = offset + BLOCK_BYTES;
    if (sizeBytes > bytes.length - start) {
      throw badArchive(`the tar archive ends within the data of the entry at byte ${offset}`);
    }
    const data = bytes.subarray(start, start + sizeBytes);
    if (isExtension) {
      if (sizeBytes > MAX_EXTENSION_BYTES) throw badArchive('the tar archive has an absurdly long extension header');
      readExtension(header.type, data, extension);
    } else {
      yield entryOf(block, header, data, extension);
      extension = {};
    }
    offset = start + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
}

function readHeader(block: Buffer, offset: number): Header {
  let sum = 0;
  for (let index = 0; index < BLOCK_BYTES; index++) sum += index >= 148 && index < 156 ? 0x20 : block[index]!;
  if (readNumber(block, 148, 8) !== sum) {
    throw badArchive(`the tar archive has a header with a wrong checksum at byte ${offset}`);
  }
  return { type: String.fromCharCode(block[156]!), sizeBytes: readNumber(block, 124, 12) };
}

function entryOf(block: Buffer, header: Header, data: Buffer, extension: Extension): ArchiveEntry {
  const kind = KINDS[header.type];
  if (kind === undefined) throw badArchive(`the tar archive has an entry of unknown type "${header.type}"`);
  const isUstar = block.toString('latin1', 257, 262) === 'ustar';
  const prefix = isUstar && block[263] === 0x30 ? readText(block, 345, 155) : '';
  const name = readText(block, 0, 100);
  const hasData = kind === 'file';
  if (!hasData && kind !== 'hardlink' && data.length > 0) {
    throw badArchive(`the tar archive gives the ${kind} "${name}" a content`);
  }
  return {
    path: extension.path ?? (prefix === '' ? name : `${prefix}/${name}`),
    kind,
    mode: readNumber(block, 100, 8) & 0o7777,
    uid: extension.uid ?? readNumber(block, 108, 8),
    gid: extension.gid ?? readNumber(block, 116, 8),
    modifiedSeconds: extension.modifiedSeconds ?? readNumber(block, 136, 12),
    data: hasData ? data : NO_DATA,
    target: extension.target ?? readText(block, 157, 100),
    major: kind === 'character' || kind === 'block' ? readNumber(block, 329, 8) : 0,
    minor: kind === 'character' || kind === 'block' ? readNumber(block, 337, 8) : 0,
  };
}

function readExtension(type: string, data: Buffer, extension: Extension): void {
  switch (type) {
    case 'L':
      extension.path = readText(data, 0, data.length);
      break;
    case 'K':
      extension.target = readText(data, 0, data.length);
      break;
    case 'x':
      for (const [key, value] of paxRecords(data)) applyPaxRecord(key, value, extension);
      break;
    default: // A global header ('g') holds nothing that a package's files depend on.
  }
  for (const path of [extension.path, extension.target]) {
    if (path !== undefined && path.length > MAX_PATH_BYTES) {
      throw badArchive('the tar archive has an absurdly long path');
    }
  }
}

/** Records of `LENGTH KEY=VALUE\n`, the length that of the whole record. */
function* paxRecords(data: Buffer): Generator<[key: string, value: string]> {
  let offset = 0;
  while (offset < data.length) {
    const space = data.indexOf(0x20, offset);
    const lengthText = space < 0 ? '' : data.toString('latin1', offset, space);
    const end = offset + Number(lengthText);
    if (!/^\d{1,7}$/.test(lengthText) || end <= space || end > data.length || data[end - 1] !== 0x0a) {
      throw badArchive('the tar archive has a malformed pax header');
    }
    const record = data.toString('utf8', space + 1, end - 1);
    const equals = record.indexOf('=');
    if (equals > 0) yield [record.slice(0, equals), record.slice(equals + 1)];
    offset = end;
  }
}

function applyPaxRecord(key: string, value: string, extension: Extension): void {
  const number = (): number => {
    const parsed = Math.floor(Number(value));
    if (!Number.isSafeInteger(parsed) || parsed < 0) {
      throw badArchive(`the tar archive has a pax header with the ${key} "${value.slice(0, 40)}"`);
    }
    return parsed;
  };
  if (key === 'path') extension.path = value;
  else if (key === 'linkpath') extension.target = value;
  else if (key === 'size') extension.sizeBytes = number();
  else if (key === 'uid') extension.uid = number();
  else if (key === 'gid') extension.gid = number();
  else if (key === 'mtime') extension.modifiedSeconds = number();
  else if (key.startsWith('GNU.sparse.')) throw badArchive('the tar archive has a sparse file, which is not read');
}

function readText(bytes: Buffer, start: number, length: number): string {
  const end = bytes.indexOf(0, start);
  return bytes.toString('utf8', start, end < 0 || end > start + length ? start + length : end);
}

/** An octal number in text, or GNU's base-256 (first byte 0x80). */
function readNumber(block: Buffer, start: number, length: number): number {
  if ((block[start]! & 0x80) !== 0) {
    let value = block[start]! & 0x7f;
    for (let index = start + 1; index < start + length; index++) value = value * 256 + block[index]!;
    if (!Number.isSafeInteger(value)) throw badArchive('the tar archive has a number that is too large');
    return value;
  }
  const text = readText(block, start, length).trim();
  if (!/^[0-7]*$/.test(text)) throw badArchive('the tar archive has a number that is not octal');
  return text === '' ? 0 : Number.parseInt(text, 8);
}
