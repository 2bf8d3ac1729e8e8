// The engine core's exports: what wasm-engine.ts calls.

import {
  BUDGET, CODE_BASE, COUNT, CPL, CR2, DEBUG_HIT,
  DEBUG_ONCE, DR6, DR7, EVENTS, EXIT_REQUEST, FAULT_NESTED, IF, INSTRUCTION,
  INSTRUCTIONS, MODE,
  OFFSET, OP_STOP, PENDING_DEBUG, RF,
  RFLAGS, RIP, SHADOW, SHADOW_MOV_SS, SLICE_START, STEPPING, STOP, TF, TRACING, WINDOW,
} from "./layout";
import { cpu, DB, raise, setProcessor } from "./cpu";
import { hostOf, reach, setConfiguration, translateCode } from "./memory";
import { codePageNumber, flushBlocks, holds, knownBlock, returnPlace } from "./blocks";
import { lazyAux, lazyCondition, lazyResult, settleFlags } from "./lazy-flags";
import { attend, enterGuest, leaveExclusive, leaveGuest } from "./processors";
import {
  crossPage, decodeCrossing, dispatch, linearRip, stop, STOP_DEBUG,
  STOP_HALT, STOP_KICK, STOP_MODE, STOP_SHUTDOWN, STOP_SLICE, STOP_WINDOW,
} from "./dispatch";
import { decodeStep } from "./decode";
import { armStep, breaksAt, codeBreakpoints, traceInstruction, updateDebugger } from "./debug";
import { journalWrites, replayInstruction } from "./replay";
import { askFlush, awaitFlush } from "./flushes";
import { forgetEverything } from "./tlb";
import { deliverFault, interrupt, nonMaskableInterrupt } from "./exceptions";
import { readFlags, setArithmeticFlags } from "./flags";
import { updateDerived } from "./control";
import { interpret } from "./generated/interpret";
import { interpretAny } from "./generated/interpret-any";
import { step } from "./generated/step";
import { initializeX87, statusWord, setStatusWord, summarize, xsaveImage, xrstorImage } from "./float/state";
import { decryptLastRound, decryptRound, encryptLastRound, encryptRound, mixColumnsInversely } from "./vector/aes";
import { carrylessProduct } from "./vector/carryless";
import {
  sha1Message1, sha1Message2, sha1NextE, sha1Rounds, sha256Message1, sha256Message2, sha256Rounds,
} from "./vector/sha";
import { arithmeticFlags } from "./flags";
import { multiplyHighSigned } from "./arithmetic";

export {
  enterGuest, leaveGuest, deliverFault, flushBlocks, interrupt, nonMaskableInterrupt, readFlags, updateDerived,
  armStep, askFlush, awaitFlush, codePageNumber, decodeCrossing, initializeX87, interpretAny, journalWrites,
  holds, knownBlock, lazyAux, lazyCondition, lazyResult, returnPlace,
  carrylessProduct, decryptLastRound, decryptRound, encryptLastRound, encryptRound, mixColumnsInversely,
  sha1Message1, sha1Message2, sha1NextE, sha1Rounds, sha256Message1, sha256Message2, sha256Rounds,
  multiplyHighSigned, reach, replayInstruction, settleFlags, step, updateDebugger,
};

/** DR6.BS: a single step. It stays until the guest clears it; bits 0…3 are those of the last trap. */
const DR6_STEP: u32 = 0x4000;

/** Binds this instance to a processor's state and the configuration block. */
export function initialize(processor: usize, configuration: usize): void {
  setProcessor(processor);
  setConfiguration(configuration);
  forgetEverything();
}

/** The x87, SSE and AVX state as an XSAVE image of 832 bytes at `target`; `components` as in XCR0. */
export function saveExtendedState(target: usize, components: u32): void {
  xsaveImage(target, components, 1);
}

export function loadExtendedState(source: usize, components: u32): void {
  xrstorImage(source, components, 1);
}

/** Sets all of RFLAGS. */
export function writeFlags(value: u32): void {
  setArithmeticFlags(value);
  store<u32>(cpu + RFLAGS, value & ~0x8d5 | 2);
}

/** After an unwinding: puts RIP and the budget where the faulting instruction left them. */
export function settleFault(): void {
  leaveExclusive();
  settleFlags();
  const record = load<u32>(cpu + INSTRUCTION);
  if (record == 0) return;
  store<u64>(cpu + RIP, load<u64>(cpu + CODE_BASE) + load<u16>(record, OFFSET));
  const before: i32 = load<u8>(record, COUNT);
  if (before > 1) store<i32>(cpu + BUDGET, load<i32>(cpu + BUDGET) - (before - 1));
  store<u32>(cpu + INSTRUCTION, 0);
}

/** Runs until something stops the processor; returns the reason (dispatch.ts). */
export function run(): u32 {
  while (true) {
    store<u32>(cpu + STOP, 0);
    store<u32>(cpu + FAULT_NESTED, 0);
    if (load<u32>(cpu + STEPPING) != 0) stepping();
    else {
      const first = dispatch();
      if (first != 0) interpret(first);
    }
    const reason = load<u32>(cpu + STOP) - 1;
    if (reason != STOP_MODE) return reason;
  }
}

/** One instruction at a time, while TF or a breakpoint is armed. */
function stepping(): void {
  while (true) {
    if (load<i32>(cpu + BUDGET) <= 0) stop(STOP_SLICE);
    else if (load<i32>(cpu + EXIT_REQUEST) != 0 && attend()) stop(STOP_KICK);
    else if (load<u32>(cpu + STEPPING) == 0) stop(STOP_MODE);
    else if (load<u32>(cpu + SHADOW) == 0 && load<u32>(cpu + WINDOW) != 0 && (load<u32>(cpu + RFLAGS) & IF) != 0)
      stop(STOP_WINDOW);
    if (load<u32>(cpu + STOP) != 0) return;
    const shadow = load<u32>(cpu + SHADOW);
    store<u32>(cpu + SHADOW, 0);
    store<u32>(cpu + INSTRUCTION, 0);
    if (shadow != SHADOW_MOV_SS) trapPending();
    const linear = linearRip();
    if (breaksAt(linear)) {
      stop(STOP_DEBUG);
      return;
    }
    const hits = codeBreakpoints(linear);
    if (hits != 0) {
      store<u64>(cpu + DR6, (load<u64>(cpu + DR6) & ~15) | hits);
      raise(DB);
    }
    store<u32>(cpu + DEBUG_HIT, 0);
    stepOne(linear);
    if (load<u32>(cpu + STOP) == 0 && (load<u32>(cpu + DEBUG_HIT) | load<u32>(cpu + DEBUG_ONCE)) != 0)
      stop(STOP_DEBUG);
    if (load<u32>(cpu + STOP) != 0) return;
  }
}

/** Raises #DB for what is pending since the last instruction. */
function trapPending(): void {
  const hits = load<u32>(cpu + PENDING_DEBUG);
  if (hits == 0) return;
  store<u32>(cpu + PENDING_DEBUG, 0);
  store<u64>(cpu + DR6, (load<u64>(cpu + DR6) & ~15) | hits);
  raise(DB);
}

function stepOne(linear: u64): void {
  const traced = (load<u32>(cpu + RFLAGS) & TF) != 0;
  const budget = load<i32>(cpu + BUDGET);
  const events = load<u32>(cpu + EVENTS);
  const level = load<u32>(cpu + CPL);
  const physical = translateCode(linear);
  const offset = <u32>linear & 0xfff;
  store<u64>(cpu + CODE_BASE, load<u64>(cpu + RIP) - offset);
  const record = decodeStep(physical, linear, offset, 1, OP_STOP);
  if (load<u32>(cpu + TRACING) != 0) traceInstruction();
  // RF has done its work for this instruction, which may be an IRET that sets it for the next.
  store<u32>(cpu + RFLAGS, load<u32>(cpu + RFLAGS) & ~RF);
  store<i32>(cpu + BUDGET, 1);
  interpret(record);
  store<i32>(cpu + BUDGET, budget - 1);
  store<u32>(cpu + INSTRUCTION, 0);
  // A branch or a system instruction ended at `dispatch`, which found the budget used up.
  if (load<u32>(cpu + STOP) == STOP_SLICE + 1 || load<u32>(cpu + STOP) == STOP_KICK + 1) store<u32>(cpu + STOP, 0);
  // A software interrupt or SYSCALL that has cleared TF on its way is not trapped.
  const entered = load<u32>(cpu + EVENTS) != events
    || (load<u32>(cpu + CPL) < level && (load<u32>(cpu + RFLAGS) & TF) == 0);
  // MOV SS holds debug traps back for one more instruction.
  if (load<u32>(cpu + SHADOW) == SHADOW_MOV_SS) return;
  if (traced && !entered) store<u32>(cpu + PENDING_DEBUG, load<u32>(cpu + PENDING_DEBUG) | DR6_STEP);
  trapPending();
}
