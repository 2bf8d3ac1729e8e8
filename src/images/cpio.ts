/**
 * The cpio "newc" format, as the kernel takes it for an initramfs (Linux Documentation/driver-api/early-userspace/
 * buffer-format.rst): a 110-byte header of 8-digit hexadecimal numbers, the name with its NUL padded to 4 bytes, the
 * data padded to 4 bytes; the entry "TRAILER!!!" ends it.
 */

import type { ArchiveEntry, EntryKind } from './archive-entry.ts';
import type { FileNode, FileTree } from './file-tree.ts';
import { badArchive } from './bad-archive.ts';

const HEADER_BYTES = 110;
const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';
const MAX_NAME_BYTES = 1 << 16;
const MAX_FILE_BYTES = 0xffff_ffff;
const NO_DATA = new Uint8Array(0);

/** File type bits of st_mode. */
const TYPE_BITS: Readonly<Record<Exclude<EntryKind, 'hardlink'>, number>> = {
  fifo: 0o010000, character: 0o020000, directory: 0o040000, block: 0o060000, file: 0o100000, symlink: 0o120000,
};

const KINDS = new Map(Object.entries(TYPE_BITS).map(([kind, bits]) => [bits, kind as keyof typeof TYPE_BITS]));

interface HeaderValues {
  readonly inode: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly modifiedSeconds: number;
  readonly sizeBytes: number;
  readonly major: number;
  readonly minor: number;
}

/**
 * The tree as an archive, piece by piece. The same tree gives the same bytes: entries are sorted, inodes are counted
 * from 1. A file of several names has its content at the last of them, as GNU cpio writes it.
 */
export function* writeCpio(tree: FileTree): Generator<Uint8Array> {
  const entries = tree.entries();
  const names = new Map<FileNode, number>();
  for (const [, node] of entries) names.set(node, (names.get(node) ?? 0) + 1);
  const inodes = new Map<FileNode, number>();
  const written = new Map<FileNode, number>();
  for (const [path, node] of entries) {
    if (!inodes.has(node)) inodes.set(node, inodes.size + 1);
    const links = names.get(node)!;
    const count = (written.get(node) ?? 0) + 1;
    written.set(node, count);
    const data = count === links ? contentOf(node) : NO_DATA;
    if (data.length > MAX_FILE_BYTES) throw badArchive(`the file "/${path}" is too large for a cpio archive`);
    const isDevice = node.kind === 'character' || node.kind === 'block';
    yield header(path, {
      inode: inodes.get(node)!, mode: TYPE_BITS[node.kind] | node.mode, uid: node.uid, gid: node.gid, links,
      modifiedSeconds: node.modifiedSeconds, sizeBytes: data.length,
      major: isDevice ? node.major : 0, minor: isDevice ? node.minor : 0,
    });
    yield data;
    if (data.length % 4 !== 0) yield new Uint8Array(4 - (data.length % 4));
  }
  yield header(TRAILER, {
    inode: 0, mode: 0, uid: 0, gid: 0, links: 1, modifiedSeconds: 0, sizeBytes: 0, major: 0, minor: 0,
  });
}

function contentOf(node: FileNode): Uint8Array {
  if (node.kind === 'file') return node.data;
  return node.kind === 'symlink' ? Buffer.from(node.target) : NO_DATA;
}

function header(path: string, values: HeaderValues): Uint8Array {
  const name = Buffer.from(`${path}\0`);
  const numbers = [
    values.inode, values.mode, values.uid, values.gid, values.links, values.modifiedSeconds, values.sizeBytes,
    0, 0, values.major, values.minor, name.length, 0,
  ];
  const text = MAGIC + numbers.map((number) => number.toString(16).padStart(8, '0')).join('');
  const bytes = Buffer.alloc(align4(HEADER_BYTES + name.length));
  bytes.write(text, 0, 'latin1');
  name.copy(bytes, HEADER_BYTES);
  return bytes;
}

interface RawEntry extends HeaderValues {
  readonly path: string;
  readonly device: string;
  readonly data: Buffer;
}

/** The entries of one archive, file data as views of it. Throws an OperatingError for anything malformed. */
export function readCpio(archive: Uint8Array): ArchiveEntry[] {
  const raw = [...rawEntries(Buffer.from(archive.buffer, archive.byteOffset, archive.length))];
  const fileKey = (entry: RawEntry): string => `${entry.device}:${entry.inode}`;
  const contents = new Map<string, Buffer>();
  for (const entry of raw) {
    if (entry.links > 1 && entry.data.length > 0) contents.set(fileKey(entry), entry.data);
  }
  const firstNames = new Map<string, string>();
  return raw.map((entry) => {
    const kind = KINDS.get(entry.mode & 0o170000);
    if (kind === undefined) throw badArchive(`the cpio archive has the entry "${entry.path}" of unknown type`);
    const isLinked = kind === 'file' && entry.links > 1;
    const firstName = isLinked ? firstNames.get(fileKey(entry)) : undefined;
    if (isLinked && firstName === undefined) firstNames.set(fileKey(entry), entry.path);
    const data = isLinked ? (contents.get(fileKey(entry)) ?? NO_DATA) : entry.data;
    return {
      path: entry.path,
      kind: firstName === undefined ? kind : 'hardlink',
      mode: entry.mode & 0o7777,
      uid: entry.uid,
      gid: entry.gid,
      modifiedSeconds: entry.modifiedSeconds,
      data: kind === 'file' && firstName === undefined ? data : NO_DATA,
      target: firstName ?? (kind === 'symlink' ? entry.data.toString('utf8') : ''),
      major: entry.major,
      minor: entry.minor,
    };
  });
}

function* rawEntries(archive: Buffer): Generator<RawEntry> {
  let offset = 0;
  for (;;) {
    if (offset + HEADER_BYTES > archive.length) throw badArchive('the cpio archive ends without its trailer');
    const text = archive.toString('latin1', offset, offset + HEADER_BYTES);
    if (!text.startsWith(MAGIC) || !/^[0-9a-fA-F]{104}$/.test(text.slice(6))) {
      throw badArchive(`the cpio archive has no "newc" header at byte ${offset}`);
    }
    const field = (index: number): number => Number.parseInt(text.slice(6 + 8 * index, 14 + 8 * index), 16);
    const nameBytes = field(11);
    const sizeBytes = field(6);
    const dataStart = align4(offset + HEADER_BYTES + nameBytes);
    if (nameBytes < 1 || nameBytes > MAX_NAME_BYTES || dataStart + sizeBytes > archive.length) {
      throw badArchive(`the cpio archive ends within the entry at byte ${offset}`);
    }
    const path = archive.toString('utf8', offset + HEADER_BYTES, offset + HEADER_BYTES + nameBytes - 1);
    if (path === TRAILER) return;
    yield {
      path, inode: field(0), mode: field(1), uid: field(2), gid: field(3), links: field(4), modifiedSeconds: field(5),
      sizeBytes, device: `${field(7)}:${field(8)}`, major: field(9), minor: field(10),
      data: archive.subarray(dataStart, dataStart + sizeBytes),
    };
    offset = align4(dataStart + sizeBytes);
  }
}

function align4(offset: number): number {
  return Math.ceil(offset / 4) * 4;
}
