/** Locked instructions: two processors change the same memory and nothing is lost, wherever the operand lies. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addImmediate, assemble, clear, decrement, exchange, HLT, jump, label, loadFixed, lockIncrementFixed, moveImmediate,
  onMemory, PAUSE, type Piece, RAX, RBX, RCX, RDI, RDX, RSI, compare,
} from './assembler.ts';
import { DATA, LitmusGuest, STACK_STRIDE, STACKS } from './guest.ts';

const TIMES = 100_000;
const PROCESSORS = 2;
const BARRIER = DATA;
/** RSI points here: the start of a page, so that offsets choose alignment, line and page crossings. */
const AT = DATA + 0x10000;
const PLACES = {
  'aligned': 0, 'unaligned within 8 bytes': 1, 'across 8 bytes': 5, 'across lines': 61, 'across pages': 0xffd,
};

/** Both start together and do the body so many times. */
function program(body: readonly Piece[], times: number): number[] {
  return assemble(
    moveImmediate(RSI, AT), moveImmediate(RCX, times), lockIncrementFixed(BARRIER), moveImmediate(RBX, PROCESSORS),
    label('wait'), loadFixed(RAX, BARRIER), compare(RAX, RBX), jump(0x72, 'wait'),
    label('again'), ...body, decrement(RCX), jump(0x75, 'again'), HLT,
  );
}

async function ran(body: readonly Piece[], times = TIMES): Promise<LitmusGuest> {
  const code = program(body, times);
  const guest = new LitmusGuest(Array.from({ length: PROCESSORS }, () => code));
  await guest.run();
  return guest;
}

for (const [name, offset] of Object.entries(PLACES)) {
  test(`LOCK INC of 32 bits, ${name}`, async () => {
    const guest = await ran([onMemory([0xf0, 0xff], 0, offset)]);
    assert.equal(guest.get(AT + offset), PROCESSORS * TIMES);
  });
}

test('LOCK INC and DEC of 16 and 64 bits across lines', async () => {
  const guest = await ran([
    onMemory([0xf0, 0x66, 0xff], 0, 63), onMemory([0xf0, 0x48, 0xff], 0, 0x7c), onMemory([0xf0, 0x66, 0xff], 1, 63),
  ]);
  assert.equal(guest.get(AT + 63) & 0xffff, 0);
  assert.equal(guest.get(AT + 0x7c), PROCESSORS * TIMES);
});

test('LOCK ADD, SUB, OR, AND and XOR with immediates and registers', async () => {
  const guest = await ran([
    onMemory([0xf0, 0x83], 0, 0, [3]), // add 3
    onMemory([0xf0, 0x48, 0x83], 5, 8, [0xff]), // sub -1, 64 bits
    moveImmediate(RDX, 5), onMemory([0xf0, 0x01], RDX, 16), // add edx
    onMemory([0xf0, 0x80], 6, 24, [1]), // xor byte 1, an even number of times
    onMemory([0xf0, 0x81], 1, 28, [0, 1, 0, 0]), // or 0x100
  ]);
  assert.equal(guest.get(AT), 3 * PROCESSORS * TIMES);
  assert.equal(guest.get(AT + 8), PROCESSORS * TIMES);
  assert.equal(guest.get(AT + 12), 0);
  assert.equal(guest.get(AT + 16), 5 * PROCESSORS * TIMES);
  assert.equal(guest.get(AT + 24), 0);
  assert.equal(guest.get(AT + 28), 0x100);
});

test('LOCK ADC reads the carry once, however often it has to try', async () => {
  const guest = await ran([[0xf9], onMemory([0xf0, 0x83], 2, 0, [1]), [0xf9], onMemory([0xf0, 0x83], 3, 4, [0])]);
  assert.equal(guest.get(AT), 2 * PROCESSORS * TIMES, 'ADC');
  assert.equal(guest.get(AT + 4) | 0, -PROCESSORS * TIMES, 'SBB');
});

test('LOCK XADD hands out every number once', async () => {
  // The sum of the numbers that were handed out, added without a lock to a place of each processor's own stack.
  const guest = await ran([
    moveImmediate(RDX, 1), onMemory([0xf0, 0x0f, 0xc1], RDX, 0), [0x48, 0x01, 0x14, 0x24], // add [rsp], rdx
  ]);
  const total = PROCESSORS * TIMES;
  assert.equal(guest.get(AT), total);
  const sums = Array.from({ length: PROCESSORS }, (_, index) =>
    guest.memory.view.getBigUint64(guest.memory.offsetOf(STACKS + index * STACK_STRIDE, 8), true));
  assert.equal(sums.reduce((sum, part) => sum + part, 0n), BigInt(total) * BigInt(total - 1) / 2n);
});

for (const [name, body] of [
  ['LOCK CMPXCHG', [
    label('try'), onMemory([0x8b], RAX, 0), [0x8d, 0x50, 0x01], onMemory([0xf0, 0x0f, 0xb1], RDX, 0), jump(0x75, 'try'),
  ]],
  ['LOCK CMPXCHG8B', [
    label('try'), onMemory([0x8b], RAX, 0), onMemory([0x8b], RDX, 4),
    [0x51], [0x8d, 0x58, 0x01], [0x89, 0xd1], // push rcx; lea ebx, [rax + 1]; mov ecx, edx
    onMemory([0xf0, 0x0f, 0xc7], 1, 0), [0x59], jump(0x75, 'try'),
  ]],
  ['LOCK CMPXCHG16B', [
    label('try'), onMemory([0x48, 0x8b], RAX, 0), onMemory([0x48, 0x8b], RDX, 8),
    [0x51], [0x48, 0x8d, 0x58, 0x01], [0x48, 0x8d, 0x4a, 0x01], // push rcx; rbx and rcx are one more
    onMemory([0xf0, 0x48, 0x0f, 0xc7], 1, 0), [0x59], jump(0x75, 'try'),
  ]],
] as const) {
  test(`a counter by ${name}`, async () => {
    const guest = await ran(body);
    assert.equal(guest.get(AT), PROCESSORS * TIMES);
    if (name === 'LOCK CMPXCHG16B') assert.equal(guest.get(AT + 8), PROCESSORS * TIMES, 'high half');
  });
}

test('a lock by XCHG, and one by LOCK BTS and BTR, each guards a plain counter', async () => {
  const guest = await ran([
    label('first'), moveImmediate(RDX, 1), exchange(0, RDX), [0x85, 0xd2], jump(0x74, 'mine'),
    PAUSE, jump(0xeb, 'first'),
    label('mine'), onMemory([0xff], 0, 64), clear(RDX), onMemory([0x89], RDX, 0),
    label('second'), onMemory([0xf0, 0x0f, 0xba], 5, 128, [3]), jump(0x73, 'ours'), PAUSE, jump(0xeb, 'second'),
    label('ours'), onMemory([0xff], 0, 192), onMemory([0xf0, 0x0f, 0xba], 6, 128, [3]),
  ], TIMES / 10);
  assert.equal(guest.get(AT + 64), PROCESSORS * TIMES / 10);
  assert.equal(guest.get(AT + 192), PROCESSORS * TIMES / 10);
});

test('without LOCK increments are lost: the tests above can fail', async () => {
  // On a busy machine the processors may run one behind the other for a while.
  for (let times = 10 * TIMES; times <= 2560 * TIMES; times *= 2) {
    const guest = await ran([onMemory([0xff], 0, 0), onMemory([0xf0, 0xff], 0, 64), addImmediate(RDI, 1)], times);
    assert.equal(guest.get(AT + 64), PROCESSORS * times);
    if (guest.get(AT) < PROCESSORS * times) return;
  }
  assert.fail('the processors never ran at the same moment');
});
