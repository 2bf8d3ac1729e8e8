/** Code that changes while processors remember it: by another processor, and by the hypervisor or a device. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StopReason } from '../../src/hypervisor/engine-port.ts';
import { createEngineMemory, guestMemoryOf } from '../../src/engine/engine-memory.ts';
import {
  addImmediate, assemble, CALL_RDI, compare, CPUID, decrement, HLT, jump, label, loadFixed, lockIncrementFixed,
  moveImmediate, PAUSE, type Piece, RAX, RBX, RCX, RDI, RDX, RSI, storeFixed,
} from './assembler.ts';
import { DATA, LitmusGuest } from './guest.ts';
import { makeEngine } from './processor.ts';

const FLAG = DATA;
const ANSWER = DATA + 64;
const ERRORS = DATA + 128;
/** A function at the start of a page: MOV EAX, imm32; RET. Its immediate is aligned when it begins at byte 3. */
const FUNCTION = DATA + 0x10000;
const PAD = 3;
const functionText = (value: number): number[] =>
  [0x90, 0x90, 0x90, 0xb8, ...[0, 8, 16, 24].map((shift) => (value >> shift) & 0xff), 0xc3];

/** Waits until the word is what `register` holds. */
const waitFor = (address: number, register: number, name: string): Piece[] => [
  label(name), loadFixed(RAX, address), compare(RAX, register), jump(0x74, `${name} done`), PAUSE, jump(0xeb, name),
  label(`${name} done`),
];

/** MOV [RDI + PAD + 1], EBX */
const PATCH = [0x89, 0x5f, PAD + 1];

/** Patches the function, says so, and waits until the other has called it; RDX bytes further on each round. */
function writer(rounds: number, stride: number): number[] {
  return assemble(
    moveImmediate(RDI, FUNCTION), moveImmediate(RCX, rounds), moveImmediate(RBX, 0),
    label('round'), addImmediate(RBX, 1), PATCH, storeFixed(FLAG, RBX), ...waitFor(ANSWER, RBX, 'answer'),
    addImmediate(RDI, stride), decrement(RCX), jump(0x75, 'round'), HLT,
  );
}

/** Calls the function at once if `early`, then when it was told of the change, and counts wrong results. */
function caller(rounds: number, stride: number, early: boolean): number[] {
  return assemble(
    moveImmediate(RDI, FUNCTION), moveImmediate(RSI, rounds), [0x45, 0x31, 0xc0], // xor r8d, r8d
    label('round'), [0x41, 0xff, 0xc0], [0x44, 0x89, 0xc2], // inc r8d; mov edx, r8d
    ...(early ? [CALL_RDI] : []), ...waitFor(FLAG, RDX, 'flag'),
    [0x31, 0xc0], CPUID, [0x44, 0x89, 0xc2], // xor eax, eax; cpuid; mov edx, r8d
    CALL_RDI, compare(RAX, RDX), jump(0x74, 'right'), lockIncrementFixed(ERRORS),
    label('right'), storeFixed(ANSWER, RDX), addImmediate(RDI, stride), [0xff, 0xce], jump(0x75, 'round'), HLT,
  );
}

for (const [name, rounds, stride, early] of [
  ['one function is changed again and again', 5000, 0, false],
  ['functions on pages that never held code', 2000, 0x1000, false],
  ['functions that are called for the first time while they are changed', 2000, 0x1000, true],
] as const) {
  test(`cross-modifying code: ${name}`, async () => {
    const guest = new LitmusGuest([writer(rounds, stride), caller(rounds, stride, early)]);
    for (let page = 0; page < (stride === 0 ? 1 : rounds); page++) {
      guest.memory.write(FUNCTION + page * stride, Uint8Array.from(functionText(0)));
    }
    await guest.run();
    assert.equal(guest.get(ANSWER), rounds);
    assert.equal(guest.get(ERRORS), 0);
  });
}

test('code that is changed through guest memory is decoded again', () => {
  const handle = createEngineMemory(16 * 2 ** 20, 1);
  const memory = guestMemoryOf(handle);
  const main = assemble(moveImmediate(RDI, FUNCTION), label('again'), CALL_RDI, HLT, jump(0xeb, 'again'));
  memory.write(0x1000, Uint8Array.from([0x03, 0x20]));
  memory.write(0x2000, Uint8Array.from([0x83]));
  memory.write(0x10000, Uint8Array.from(main));
  const engine = makeEngine({ handle, index: 0, pageTable: 0x1000, instruction: 0x10000, stack: 0x40000 });
  for (const value of [1, 2, 77]) {
    memory.write(FUNCTION, Uint8Array.from(functionText(value)));
    assert.equal(engine.run(), StopReason.Halt);
    assert.equal(engine.readRegister(RAX).low, value);
  }
});
