/** A data breakpoint that MOV SS holds back, in front of a software interrupt [Intel SDM 3A, 6.8.3]. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEngineMemory, guestMemoryOf } from '../../src/engine/engine-memory.ts';
import { StopReason } from '../../src/hypervisor/engine-port.ts';
import { assemble, HLT, moveImmediate, RAX, RSI } from './assembler.ts';
import { makeEngine } from './processor.ts';

const PAGE_MAP = 0x1000;
const POINTERS = 0x2000;
const GDT = 0x3000;
const IDT = 0x5000;
const HANDLERS = 0x6000;
const CODE = 0x10000;
const WATCHED = 0x20000;
const STACK = 0x40000;
const [DEBUG, BREAKPOINT] = [1, 3];
/** Breakpoint 0 on reads and writes of 4 bytes. */
const WATCH = 0xf0402;
const MOV_DR0_RAX = [0x0f, 0x23, 0xc0];
const MOV_DR7_RAX = [0x0f, 0x23, 0xf8];
const MOV_SS_AT_RSI = [0x8e, 0x16];
const INT3 = [0xcc];

test('the trap comes in front of the handler of INT3, which comes too', () => {
  const handle = createEngineMemory(2 ** 21, 1);
  const memory = guestMemoryOf(handle);
  const put = (at: number, value: bigint): void => memory.view.setBigUint64(memory.offsetOf(at, 8), value, true);
  put(PAGE_MAP, BigInt(POINTERS | 3));
  put(POINTERS, 0x83n);
  put(GDT + 8, 0x00af_9b00_0000_ffffn);
  put(GDT + 16, 0x00cf_9300_0000_ffffn);
  for (const vector of [DEBUG, BREAKPOINT]) {
    put(IDT + vector * 16, BigInt(HANDLERS + vector * 16) | 0x8e00_0008_0000n);
    memory.write(HANDLERS + vector * 16, Uint8Array.from(HLT));
  }
  put(WATCHED, 0x10n);
  memory.write(CODE, Uint8Array.from(assemble(
    moveImmediate(RSI, WATCHED), moveImmediate(RAX, WATCHED), MOV_DR0_RAX, moveImmediate(RAX, WATCH), MOV_DR7_RAX,
    MOV_SS_AT_RSI, INT3, HLT)));
  const engine = makeEngine({ handle, index: 0, pageTable: PAGE_MAP, instruction: CODE, stack: STACK });
  const state = engine.saveState();
  engine.restoreState({
    ...state, gdtr: { base: BigInt(GDT), limit: 23 }, idtr: { base: BigInt(IDT), limit: 0xfff },
  });
  assert.equal(engine.run(), StopReason.Halt);
  const { rip, gpr } = engine.saveState();
  assert.equal(rip, BigInt(HANDLERS + DEBUG * 16 + 1));
  const returnTo = memory.view.getBigUint64(memory.offsetOf(Number(gpr[4]), 8), true);
  assert.equal(returnTo, BigInt(HANDLERS + BREAKPOINT * 16));
});
