/** What a processor knows of its pages over a write of CR3: of global ones all, of others nothing. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addImmediate, assemble, CALL_RDI, decrement, HLT, jump, label, load, loadFixed, moveImmediate, RAX, RBX, RCX, RDI,
  RET, RSI, storeFixed, storeImmediate,
} from './assembler.ts';
import { DATA, LitmusGuest, PDPT } from './guest.ts';

const PAGE_DIRECTORY = 0x3000;
const PAGE_TABLE = 0x5000;
/** Three pages, by their entries of the page table: none shares its place in the TLB with what else is touched. */
const [GLOBAL, PLAIN, CODE] = [205, 206, 207];
const linear = (entry: number): number => 0x4000_0000 + entry * 0x1000;
const PRESENT_WRITABLE = 3;
const PAGE_GLOBAL = 0x100;
/** Pages that each of them lies at first, and then. */
const [OLD, NEW] = [DATA, DATA + 0x200000];
const place = (entry: number, base: number): number =>
  base + entry * 0x1000 | PRESENT_WRITABLE | (entry === GLOBAL ? PAGE_GLOBAL : 0);
const ENTRIES = [GLOBAL, PLAIN, CODE];
const FOUND = DATA + 0x100;

const ENABLE_GLOBAL_PAGES = [0x0f, 0x20, 0xe0, 0x0d, 0x80, 0, 0, 0, 0x0f, 0x22, 0xe0]; // CR4 |= PGE
const WRITE_CR3 = [0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8];
const INVLPG_RSI = [0x0f, 0x01, 0x3e];

/** Calls the page of code and reads the others; what is found goes to FOUND + 16 × `round`. */
function look(round: number): number[] {
  return assemble(
    ...[GLOBAL, PLAIN].map((entry, n) => assemble(
      loadFixed(RBX, linear(entry)), storeFixed(FOUND + round * 16 + n * 4, RBX))),
    moveImmediate(RDI, linear(CODE)), CALL_RDI, storeFixed(FOUND + round * 16 + 8, RAX),
  );
}

/** Reads one word of each of so many pages from DATA on. */
function readPages(count: number): number[] {
  return assemble(
    moveImmediate(RSI, DATA + 0x100000), moveImmediate(RCX, count),
    label('page'), load(RBX, 0), addImmediate(RSI, 0x1000), decrement(RCX), jump(0x75, 'page'),
  );
}

async function found(between: number[]): Promise<number[][]> {
  const guest = new LitmusGuest([assemble(
    ENABLE_GLOBAL_PAGES, look(0), between,
    moveImmediate(RSI, PAGE_TABLE), ...ENTRIES.map((entry) => storeImmediate(entry * 8, place(entry, NEW))),
    WRITE_CR3, look(1),
    moveImmediate(RSI, linear(GLOBAL)), INVLPG_RSI, look(2), HLT,
  )]);
  guest.set(PDPT + 8, PAGE_DIRECTORY | PRESENT_WRITABLE);
  guest.set(PAGE_DIRECTORY, PAGE_TABLE | PRESENT_WRITABLE);
  for (const entry of ENTRIES) guest.set(PAGE_TABLE + entry * 8, place(entry, OLD));
  for (const [base, value] of [[OLD, 1], [NEW, 2]] as const) {
    for (const entry of [GLOBAL, PLAIN]) guest.set(base + entry * 0x1000, value);
    guest.memory.write(base + CODE * 0x1000, Uint8Array.from([...moveImmediate(RAX, value), ...RET]));
  }
  await guest.run();
  return [0, 1, 2].map((round) => [0, 1, 2].map((n) => guest.get(FOUND + round * 16 + n * 4)));
}

test('a write of CR3 keeps global pages alone, until INVLPG names one', async () => {
  assert.deepEqual(await found([]), [[1, 1, 1], [1, 2, 2], [2, 2, 2]]);
});

test('however many pages it has used, none of the old ones is left', async () => {
  const [, behind, last] = await found(readPages(5000));
  assert.deepEqual(behind?.slice(1), [2, 2]);
  assert.deepEqual(last, [2, 2, 2]);
});
