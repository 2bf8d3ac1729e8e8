/**
 * Saved states, damaged and forged: the reader makes a state of them or refuses them in a sentence. A third of the
 * inputs are whole files with a few bytes changed or cut off; the others are forged, so that every checksum is right
 * and what lies under it is wrong: the header, the table, memory, or values of the JSON anywhere in it. The seeds are
 * the states of earlier versions; 92 % of the reader's branches are met in 3,000 inputs.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import { seededNumbers } from '../src/chipset/testing/seeded-numbers.ts';
import { CHUNK_BYTES } from '../src/engine/absent-memory.ts';
import { OperatingError } from '../src/kit/errors.ts';
import { ChunkEntry, HEADER_BYTES, StateHeader } from '../src/machine/saved-state/layout.ts';
import { SavedMemorySource } from '../src/machine/saved-state/memory-source.ts';
import { StateFile } from '../src/machine/saved-state/read.ts';
import type { Tally } from '../tools/fuzz-target.ts';

const CORPUS = fileURLToPath(new URL('../../tests/saved-states/', import.meta.url));
/** Values at which sizes, numbers and positions go wrong. */
const EDGES = [0, 1, 2, 15, 16, 0xff, 0xfff, 0x1000, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const JSON_EDGES: readonly unknown[] = [
  null, true, -1, 0, 1, 1.5, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, '', 'text', [], {}, [[]], { $bytes: '' },
  { $bytes: 'AAAA' }, { $u64: '0' }, { $u64: 'ffffffffffffffff' }, { $bytes: '!' }, { $u64: '-1' },
];

type Next = (limit: number) => number;

/** A file in its parts. */
interface Parts {
  readonly header: Buffer;
  memory: Buffer;
  table: Buffer;
  value: unknown;
}

const SEEDS = readdirSync(CORPUS).filter((name) => name.endsWith('.state')).map((name) => {
  const bytes = readFileSync(join(CORPUS, name));
  return { bytes, parts: apart(bytes) };
});

export const target = {
  name: 'saved-state',
  covers: [
    'src/machine/saved-state/read', 'src/machine/saved-state/memory-source', 'src/machine/saved-state/machine-s',
    'src/machine/saved-state/shape', 'src/machine/saved-state/value-text', 'src/machine/saved-state/stored-blocks',
    'src/machine/saved-state/network-migration', 'src/machine/saved-state/storage-migration',
  ],
  run(seed: number, iterations: number, tally: Tally): void {
    const next = seededNumbers(seed);
    const folder = mkdtempSync(join(tmpdir(), 'partout-fuzz-'));
    const file = join(folder, 'state');
    try {
      for (let iteration = 0; iteration < iterations; iteration++) {
        const { bytes, parts } = SEEDS[next(SEEDS.length)] as (typeof SEEDS)[number];
        writeFileSync(file, next(3) === 0 ? damaged(bytes, next) : forged(parts, next));
        tally.input(check(file));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

/** Whether it is a state. */
function check(file: string): boolean {
  try {
    using state = new StateFile(file);
    state.verifyMemory();
    const source = new SavedMemorySource(state.memory);
    for (const { chunk } of source.chunks) {
      const { bytes } = source.read(chunk);
      if (bytes.length > CHUNK_BYTES) throw new Error(`a chunk of ${bytes.length} bytes`);
    }
    return true;
  } catch (error) {
    // What does not inflate to a chunk although its checksum is right: the guest would end with that.
    const isInflating = (error as NodeJS.ErrnoException).code?.startsWith('Z_') === true ||
      (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    if (isInflating) return false;
    if (!(error instanceof OperatingError)) throw error;
    if (!/\n|undefined|NaN|\[object/.test(error.message)) return false;
    throw new Error('not a sentence', { cause: error });
  }
}

function damaged(bytes: Buffer, next: Next): Buffer {
  const copy = Buffer.from(bytes);
  for (let count = next(4); count >= 0; count--) copy[next(copy.length)] = next(256);
  return next(4) === 0 ? copy.subarray(0, next(copy.length + 1)) : copy;
}

function forged(parts: Parts, next: Next): Buffer {
  const { header, memory, table, value } = parts;
  const copy: Parts = {
    header: Buffer.from(header), memory: Buffer.from(memory), table: Buffer.from(table), value: structuredClone(value),
  };
  switch (next(6)) {
    case 0:
      edge(copy.header, next);
      return together(copy, false);
    case 1:
      edge(copy.table, next);
      break;
    case 2:
      forgeChunk(copy, next);
      break;
    default:
      for (let count = next(3); count >= 0; count--) copy.value = changed(copy.value, next);
  }
  return together(copy, true);
}

function edge(bytes: Buffer, next: Next): void {
  if (bytes.length < 4) return;
  bytes.writeUInt32LE(EDGES[next(EDGES.length)] as number, next((Math.min(bytes.length, 256) - 4) >> 2) * 4);
}

/** The first chunk's contents are something else, and its checksum is theirs. */
function forgeChunk(parts: Parts, next: Next): void {
  const view = new DataView(parts.table.buffer, parts.table.byteOffset);
  const old = ChunkEntry.storedBytes.get(view, 0);
  const contents = next(2) === 0 ? Buffer.alloc(next(300), next(256))
    : deflateRawSync(Buffer.alloc(next(2) * CHUNK_BYTES + next(8192), next(256)), { level: next(2) });
  if (next(3) === 0 && contents.length > 0) contents[next(Math.min(contents.length, 6))] = next(256);
  parts.memory = Buffer.concat([contents, parts.memory.subarray(old)]);
  ChunkEntry.storedBytes.set(view, 0, contents.length);
  ChunkEntry.checksum.set(view, 0, crc32(contents));
}

/** A value with one thing in it replaced, removed or doubled. */
function changed(value: unknown, next: Next): unknown {
  if (typeof value !== 'object' || value === null || next(12) === 0) return JSON_EDGES[next(JSON_EDGES.length)];
  if (Array.isArray(value)) {
    const list = [...value as unknown[]];
    const at = next(list.length + 1);
    const way = next(8);
    if (at === list.length || way === 0) list.push(list[0]);
    else if (way === 1) list.splice(at, 1);
    else list[at] = changed(list[at], next);
    return list;
  }
  const entries = Object.entries(value);
  const at = next(Math.max(entries.length, 1));
  const copy = Object.fromEntries(entries);
  const name = entries[at]?.[0] ?? 'version';
  if (next(16) === 0) delete copy[name];
  else copy[name] = changed(copy[name], next);
  return copy;
}

function apart(bytes: Buffer): Parts {
  const { tableOffset, chunkCount, valueOffset, valueBytes } = StateHeader.decode(
    new DataView(bytes.buffer, bytes.byteOffset), 0);
  const value: unknown = JSON.parse(inflateRawSync(bytes.subarray(valueOffset, valueOffset + valueBytes)).toString());
  return {
    header: bytes.subarray(0, HEADER_BYTES), memory: bytes.subarray(HEADER_BYTES, tableOffset),
    table: bytes.subarray(tableOffset, tableOffset + chunkCount * ChunkEntry.$size), value,
  };
}

/** A file whose checksums are right; with `places`, also where its parts are. */
function together({ header, memory, table, value }: Parts, places: boolean): Buffer {
  const text = Buffer.from(JSON.stringify(value) ?? 'null');
  const stored = deflateRawSync(text, { level: 1 });
  const view = new DataView(header.buffer, header.byteOffset);
  if (places) {
    StateHeader.encode(view, 0, {
      tableOffset: HEADER_BYTES + memory.length, chunkCount: table.length / ChunkEntry.$size,
      tableChecksum: crc32(table), valueOffset: HEADER_BYTES + memory.length + table.length,
      valueBytes: stored.length, valueTextBytes: text.length, valueChecksum: crc32(stored),
    });
  }
  StateHeader.checksum.set(view, 0, 0);
  StateHeader.checksum.set(view, 0, crc32(header));
  return Buffer.concat([header, memory, table, stored]);
}
