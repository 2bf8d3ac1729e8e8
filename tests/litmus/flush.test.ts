/** Translations that change: who is told to forget one, while it uses it all the time, never uses it afterwards. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addImmediate, assemble, compare, HLT, jump, label, load, loadFixed, lockIncrementFixed, moveImmediate, PAUSE, RAX,
  RBX, RCX, RDI, RDX, RSI, store, storeFixed,
} from './assembler.ts';
import { DATA, LitmusGuest, PDPT } from './guest.ts';
import { FLUSHED_PAGE } from './processor.ts';

const ROUNDS = 5000;
const PAGE_DIRECTORY = 0x3000;
const PAGE_TABLE = 0x5000;
const ENTRY = PAGE_TABLE + ((FLUSHED_PAGE >> 12) & 511) * 8;
const PRESENT_WRITABLE = 3;
const FLAG = DATA;
const ANSWER = DATA + 64;
const ERRORS = DATA + 128;
/** Two pages that lie at FLUSHED_PAGE in turn. */
const PAGES = DATA + 0x10000;
const VMCALL = [0x0f, 0x01, 0xc1];
const DECREMENT_EDI = [0xff, 0xcf];

/** Writes the round's number to the other page, maps that, has the translation forgotten, and says so. */
function mapper(ranges: number): number[] {
  return assemble(
    moveImmediate(RSI, ENTRY), moveImmediate(RDI, ROUNDS), moveImmediate(RBX, 0), moveImmediate(RCX, ranges),
    label('round'), addImmediate(RBX, 1),
    [0x89, 0xda], [0x83, 0xe2, 1], [0xc1, 0xe2, 12], // mov edx, ebx; and edx, 1; shl edx, 12
    [0x89, 0x9a, ...[0, 8, 16, 24].map((shift) => (PAGES >> shift) & 0xff)], // mov [rdx + PAGES], ebx
    addImmediate(RDX, PAGES | PRESENT_WRITABLE), store(0, RDX), VMCALL, storeFixed(FLAG, RBX),
    label('wait'), loadFixed(RAX, ANSWER), compare(RAX, RBX), jump(0x74, 'next'), PAUSE, jump(0xeb, 'wait'),
    label('next'), DECREMENT_EDI, jump(0x75, 'round'), HLT,
  );
}

/** Reads through the translation until it hears that it has changed, and once more: that must be the round's number. */
const READER = assemble(
  moveImmediate(RSI, FLUSHED_PAGE), moveImmediate(RDI, ROUNDS), moveImmediate(RBX, 0),
  label('round'), addImmediate(RBX, 1),
  label('wait'), load(RDX, 0), loadFixed(RAX, FLAG), compare(RAX, RBX), jump(0x75, 'wait'),
  load(RDX, 0), compare(RDX, RBX), jump(0x74, 'right'), lockIncrementFixed(ERRORS),
  label('right'), storeFixed(ANSWER, RBX), DECREMENT_EDI, jump(0x75, 'round'), HLT,
);

for (const [name, ranges] of [['one page', 1], ['everything', 0]] as const) {
  test(`a flush of ${name} is done when it returns`, async () => {
    const guest = new LitmusGuest([mapper(ranges), READER]);
    guest.set(PDPT + 8, PAGE_DIRECTORY | PRESENT_WRITABLE);
    guest.set(PAGE_DIRECTORY, PAGE_TABLE | PRESENT_WRITABLE);
    guest.set(ENTRY, PAGES | PRESENT_WRITABLE);
    await guest.run();
    assert.equal(guest.get(ANSWER), ROUNDS);
    assert.equal(guest.get(ERRORS), 0);
  });
}
