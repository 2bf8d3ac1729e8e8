import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AbsentMemory, CHUNK_BYTES, type ChunkContents } from './absent-memory.ts';
import { createEngineMemory, guestMemoryOf } from './engine-memory.ts';

const RAM_BYTES = 1 << 20;
const PAGE = 4096;

/** A chunk whose pages 1 and 3 hold its number. */
function contents(chunk: number): ChunkContents {
  return { pages: 0b1010, bytes: new Uint8Array(2 * PAGE).fill(chunk) };
}

function bench(read = contents) {
  const handle = createEngineMemory(RAM_BYTES, 1);
  const asked: number[] = [];
  const absent = new AbsentMemory(handle, {
    read: (chunk) => {
      asked.push(chunk);
      return read(chunk);
    },
  });
  return { absent, asked, memory: guestMemoryOf(handle, absent) };
}

test('a chunk is brought when somebody first reaches it, and once', () => {
  const { absent, asked, memory } = bench();
  for (const chunk of [2, 3]) absent.markAbsent(chunk);
  assert.deepEqual([...memory.read(2 * CHUNK_BYTES + PAGE - 1, 2) ?? []], [0, 2]);
  assert.deepEqual([...memory.read(2 * CHUNK_BYTES + 3 * PAGE, 1) ?? []], [2]);
  assert.deepEqual(asked, [2]);
  assert.equal(absent.isPresent(3), false);
});

test('a run over several chunks brings all of them', () => {
  const { absent, asked, memory } = bench();
  for (const chunk of [1, 2, 3]) absent.markAbsent(chunk);
  assert.ok(memory.offsetOf(2 * CHUNK_BYTES - 1, CHUNK_BYTES + 2) > 0);
  assert.deepEqual(asked, [1, 2, 3]);
});

test('what the guest wrote is not written over by who comes late', () => {
  const { absent, memory } = bench();
  absent.markAbsent(5);
  memory.write(5 * CHUNK_BYTES + PAGE, Uint8Array.of(0xee));
  absent.arrive(5, contents(5));
  assert.deepEqual([...memory.read(5 * CHUNK_BYTES + PAGE, 2) ?? []], [0xee, 5]);
});

test('a source that fails is told, unless the chunk came from elsewhere meanwhile', () => {
  const { absent, memory } = bench(() => { throw new Error('the file is gone'); });
  absent.markAbsent(0);
  assert.throws(() => memory.read(0, 1), /the file is gone/);
  const late = bench((chunk) => {
    late.absent.arrive(chunk, contents(chunk));
    throw new Error('the file is gone');
  });
  late.absent.markAbsent(0);
  assert.deepEqual([...late.memory.read(PAGE, 1) ?? []], [0]);
});
