/**
 * Memory ordering as guest code sees it [Intel SDM 3A, 8.2.3]: outcomes that x86 forbids never come, in programs of a
 * few instructions that several processors run at the same moment, many times on fresh memory.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addImmediate, assemble, compare, decrement, exchange, HLT, jump, label, load, loadFixed, lockIncrementFixed, MFENCE,
  moveImmediate, onMemory, PAUSE, type Piece, RAX, RBX, RCX, RDI, RDX, RSI, store, storeImmediate,
} from './assembler.ts';
import { DATA, LitmusGuest } from './guest.ts';

/** A longer run is asked for by PARTOUT_LITMUS_ROUNDS. */
const ASKED = Number(process.env['PARTOUT_LITMUS_ROUNDS'] ?? 20_000);
/** Rounds between two barriers: far cheaper than a barrier for each, and the processors meet in more ways. */
const ROUNDS_TOGETHER = 8;
const ROUNDS = Math.ceil(ASKED / ROUNDS_TOGETHER) * ROUNDS_TOGETHER;
/** Fresh memory of one guest. */
const ROUNDS_AT_ONCE = 200_000;

/** One round's memory: two variables in lines of their own, and what was read. */
const ROUND_BYTES = 256;
const X = 0;
const Y = 64;
const R = [128, 132, 136, 140] as const;
const BARRIER = DATA;
const RECORDS = DATA + 0x1000;

/** All processors come together, do the body in a few rounds, and go on to the next ones. */
function program(body: readonly Piece[], processors: number, rounds: number): number[] {
  return assemble(
    moveImmediate(RSI, RECORDS), moveImmediate(RCX, rounds / ROUNDS_TOGETHER), moveImmediate(RBX, 0),
    label('rounds'), moveImmediate(RDI, ROUNDS_TOGETHER), addImmediate(RBX, processors), lockIncrementFixed(BARRIER),
    label('wait'), loadFixed(RAX, BARRIER), compare(RAX, RBX), jump(0x73, 'go'), PAUSE, jump(0xeb, 'wait'),
    label('go'), ...body, addImmediate(RSI, ROUND_BYTES), decrement(RDI), jump(0x75, 'go'),
    decrement(RCX), jump(0x75, 'rounds'), HLT,
  );
}

/** Runs the bodies and counts the outcomes, each the values read, as "0 1". */
async function outcomes(bodies: readonly (readonly Piece[])[], reads: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (let done = 0; done < ROUNDS; done += ROUNDS_AT_ONCE) {
    const rounds = Math.min(ROUNDS_AT_ONCE, ROUNDS - done);
    const guest = new LitmusGuest(bodies.map((body) => program(body, bodies.length, rounds)));
    await guest.run();
    for (let round = 0; round < rounds; round++) {
      const at = RECORDS + round * ROUND_BYTES;
      const outcome = R.slice(0, reads).map((place) => guest.get(at + place)).join(' ');
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    }
  }
  assert.equal([...counts.values()].reduce((sum, count) => sum + count, 0), ROUNDS);
  return counts;
}

const read = (variable: number, result: number): Piece[] => [load(RAX, variable), store(result, RAX)];
const write = (variable: number): Piece[] => [storeImmediate(variable, 1)];
const LOCKED_ADD = [0xf0, 0x83, 0x0c, 0x24, 0x00]; // lock or dword [rsp], 0

interface Litmus {
  readonly name: string;
  readonly bodies: readonly (readonly Piece[])[];
  readonly reads: number;
  readonly forbidden: string;
}

const ordered = (between: readonly Piece[]): Piece[][] => [
  [...write(X), ...between, ...read(Y, R[0])], [...write(Y), ...between, ...read(X, R[1])],
];

const LITMUS: readonly Litmus[] = [
  { name: 'store buffering with MFENCE', bodies: ordered([MFENCE]), reads: 2, forbidden: '0 0' },
  { name: 'store buffering with a locked instruction', bodies: ordered([LOCKED_ADD]), reads: 2, forbidden: '0 0' },
  {
    name: 'store buffering with stores by XCHG', reads: 2, forbidden: '0 0',
    bodies: [
      [moveImmediate(RDX, 1), exchange(X, RDX), ...read(Y, R[0])],
      [moveImmediate(RDX, 1), exchange(Y, RDX), ...read(X, R[1])],
    ],
  },
  {
    name: 'message passing', reads: 2, forbidden: '1 0',
    bodies: [[...write(X), ...write(Y)], [...read(Y, R[0]), ...read(X, R[1])]],
  },
  {
    name: 'load buffering', reads: 2, forbidden: '1 1',
    bodies: [[...read(X, R[0]), ...write(Y)], [...read(Y, R[1]), ...write(X)]],
  },
  {
    name: 'coherence of two reads', reads: 2, forbidden: '1 0',
    bodies: [write(X), [...read(X, R[0]), ...read(X, R[1])]],
  },
  {
    name: 'independent reads of independent writes', reads: 4, forbidden: '1 0 1 0',
    bodies: [write(X), write(Y), [...read(X, R[0]), ...read(Y, R[1])], [...read(Y, R[2]), ...read(X, R[3])]],
  },
  {
    name: 'message passing by locked instructions', reads: 2, forbidden: '1 0',
    bodies: [
      [onMemory([0xf0, 0xff], 0, X), onMemory([0xf0, 0xff], 0, Y)], [...read(Y, R[0]), ...read(X, R[1])],
    ],
  },
];

for (const { name, bodies, reads, forbidden } of LITMUS) {
  test(`${name}: ${forbidden} never comes`, async () => {
    const counts = await outcomes(bodies, reads);
    assert.equal(counts.get(forbidden) ?? 0, 0, JSON.stringify([...counts]));
  });
}

test('store buffering is allowed, and everything but 0 and 1 is not', async (context) => {
  const counts = await outcomes(ordered([]), 2);
  context.diagnostic(`allowed reordering: ${counts.get('0 0') ?? 0}`);
  assert.deepEqual([...counts.keys()].filter((outcome) => !/^[01] [01]$/.test(outcome)), []);
});
