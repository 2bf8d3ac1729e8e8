// Delivery of exceptions and interrupts [Intel SDM 3A, chapter 6]: real mode vectors, protected mode gates, 64-bit
// gates with IST.
// Nothing of the processor changes before everything that can fault is through; stack memory may have been written.

import {
  ATTRIBUTES, BASE, CPL, CR2, CS, DR6, EVENTS, FAULT_ADDRESS, FAULT_ERROR, FAULT_HAS_ERROR, FAULT_NESTED, FAULT_VECTOR,
  HALTED, IDTR_BASE,
  IDTR_LIMIT, IF, INSTRUCTION, LIMIT, MODE, MODE_64, NMI_BLOCKED, NMI_PENDING, NT, PENDING_DEBUG, RF, RFLAGS, RIP, RSP,
  SELECTOR, SHADOW, SS, STOP, TF, TR, VM,
  AC, DS, ES, FS, GS, STACK_MASK,
} from "./layout";
import { cpu, DB, GP, NP, PAGE_FAULT, raise, raiseError, STACK_FAULT, TS } from "./cpu";
import { readFlags } from "./flags";
import { systemRead, systemWrite } from "./memory";
import { isLong, updatePrivilege } from "./paging";
import {
  attributesOf, ATTRIBUTE_DB, ATTRIBUTE_L, baseOf, descriptorHigh, descriptorLow, isProtected, limitOf, markAccessed,
  needDescriptor, readDescriptor, segment,
  setCpl, setNullSegment, setSegmentFromDescriptor, updateMode, UNUSABLE,
} from "./segments";
import { stop, STOP_SHUTDOWN } from "./dispatch";
import { updateStepping } from "./debug";

/** What is being delivered decides on error codes and privilege checks. */
export const KIND_EXCEPTION: u32 = 0;
export const KIND_EXTERNAL: u32 = 1;
export const KIND_SOFTWARE: u32 = 2; // INT n, INT3, INTO: the gate's DPL counts

const DOUBLE_FAULT: u32 = 8;

function isContributory(vector: u32): bool {
  return vector == 0 || (vector >= 10 && vector <= 13);
}

/** Delivers the exception in FAULT_*. A fault while doing so unwinds, and this is called again. */
export function deliverFault(): void {
  store<u32>(cpu + STOP, 0);
  let vector = load<u32>(cpu + FAULT_VECTOR);
  let error = load<u32>(cpu + FAULT_ERROR);
  let hasError = load<u32>(cpu + FAULT_HAS_ERROR) != 0;
  const nested = load<u32>(cpu + FAULT_NESTED);
  if (vector == PAGE_FAULT) store<u64>(cpu + CR2, load<u64>(cpu + FAULT_ADDRESS));
  if (nested != 0) {
    const first = nested - 1;
    if (first == DOUBLE_FAULT) {
      store<u32>(cpu + FAULT_NESTED, 0);
      stop(STOP_SHUTDOWN);
      return;
    }
    if ((isContributory(first) && isContributory(vector))
      || (first == PAGE_FAULT && (vector == PAGE_FAULT || isContributory(vector)))) {
      vector = DOUBLE_FAULT;
      error = 0;
      hasError = true;
    }
  }
  store<u32>(cpu + FAULT_NESTED, vector + 1);
  store<u32>(cpu + INSTRUCTION, 0);
  deliver(vector, KIND_EXCEPTION, hasError, error, load<u64>(cpu + RIP));
  store<u32>(cpu + FAULT_NESTED, 0);
}

/** Delivers `vector` to the handler of its gate; execution goes on there and returns to `returnIp`. */
export function deliver(vector: u32, kind: u32, hasError: bool, error: u32, returnIp: u64): void {
  store<u32>(cpu + EVENTS, load<u32>(cpu + EVENTS) + 1);
  store<u32>(cpu + HALTED, 0);
  store<u32>(cpu + SHADOW, 0);
  // A trap that MOV SS held back is not lost to INT n: it comes in front of the handler.
  if (kind != KIND_SOFTWARE) store<u32>(cpu + PENDING_DEBUG, 0);
  if (!isProtected()) deliverReal(vector, returnIp);
  else if (isLong()) deliverLong(vector, kind, hasError, error, returnIp);
  else deliverProtected(vector, kind, hasError, error, returnIp);
  updateStepping();
}

/** Real mode: FLAGS, CS and IP on the stack, the new CS:IP from the table at IDTR. */
function deliverReal(vector: u32, returnIp: u64): void {
  const at = vector << 2;
  if (at + 3 > load<u32>(cpu + IDTR_LIMIT)) raiseError(GP, 0);
  const target = <u32>systemRead(load<u64>(cpu + IDTR_BASE) + at, 4);
  const stack = load<u64>(segment(SS), BASE);
  const mask: u64 = load<u32>(cpu + STACK_MASK) == 1 ? 0xffffffff : 0xffff;
  const sp = load<u64>(cpu + RSP);
  systemWrite(stack + ((sp - 2) & mask), 2, <u64>(readFlags() & 0xffff));
  systemWrite(stack + ((sp - 4) & mask), 2, <u64>load<u32>(segment(CS), SELECTOR));
  systemWrite(stack + ((sp - 6) & mask), 2, returnIp & 0xffff);
  store<u16>(cpu + RSP, <u16>(sp - 6));
  store<u32>(cpu + RFLAGS, load<u32>(cpu + RFLAGS) & ~(IF | TF | AC | RF));
  const cs = segment(CS);
  store<u32>(cs, target >> 16, SELECTOR);
  store<u64>(cs, <u64>(target >> 16) << 4, BASE);
  store<u64>(cpu + RIP, <u64>(target & 0xffff));
  updatePrivilege();
}

/** Error code of a fault about IDT entry `vector`. */
function idtError(vector: u32, kind: u32): u32 {
  return (vector << 3) | 2 | (kind == KIND_SOFTWARE ? 0 : 1);
}

/** Flags as pushed: a fault sets RF, so that an instruction breakpoint does not fire again. */
function pushedFlags(kind: u32, vector: u32): u64 {
  const flags = <u64>(readFlags() & ~RF);
  return kind == KIND_EXCEPTION && vector != DB && vector != 8 ? flags | RF : flags;
}

function deliverLong(vector: u32, kind: u32, hasError: bool, error: u32, returnIp: u64): void {
  const at = vector << 4;
  if (at + 15 > load<u32>(cpu + IDTR_LIMIT)) raiseError(GP, idtError(vector, kind));
  const gateAddress = load<u64>(cpu + IDTR_BASE) + at;
  const gate = systemRead(gateAddress, 8);
  const upper = systemRead(gateAddress + 8, 4);
  const type = <u32>(gate >> 40) & 0x1f;
  if (type != 14 && type != 15) raiseError(GP, idtError(vector, kind));
  const cpl = load<u32>(cpu + CPL);
  if (kind == KIND_SOFTWARE && (<u32>(gate >> 45) & 3) < cpl) raiseError(GP, idtError(vector, kind));
  if ((gate & 0x800000000000) == 0) raiseError(NP, idtError(vector, kind));
  const selector = <u32>(gate >> 16) & 0xffff;
  const external: u32 = kind == KIND_SOFTWARE ? 0 : 1;
  if ((selector & 0xfffc) == 0) raiseError(GP, external);
  if (!readDescriptor(selector)) raiseError(GP, (selector & 0xfffc) | external);
  const attributes = attributesOf(descriptorHigh);
  const level = (attributes >> 5) & 3;
  if ((attributes & 0x18) != 0x18 || level > cpl || (attributes & ATTRIBUTE_L) == 0
    || (attributes & ATTRIBUTE_DB) != 0) {
    raiseError(GP, (selector & 0xfffc) | external);
  }
  if ((attributes & 0x80) == 0) raiseError(NP, (selector & 0xfffc) | external);

  const conforming = (attributes & 4) != 0;
  const newCpl = conforming ? cpl : level;
  const ist = <u32>(gate >> 32) & 7;
  let stack = load<u64>(cpu + RSP);
  if (ist != 0) stack = systemRead(load<u64>(segment(TR), BASE) + 0x1c + (ist << 3), 8);
  else if (newCpl != cpl) stack = systemRead(load<u64>(segment(TR), BASE) + 4 + (newCpl << 3), 8);
  stack &= ~15;
  const target = (gate & 0xffff) | ((gate >> 32) & 0xffff0000) | (upper << 32);
  if (<u64>((<i64>target << 16) >> 16) != target) raiseError(GP, external);

  systemWrite(stack - 8, 8, <u64>load<u32>(segment(SS), SELECTOR));
  systemWrite(stack - 16, 8, load<u64>(cpu + RSP));
  systemWrite(stack - 24, 8, pushedFlags(kind, vector));
  systemWrite(stack - 32, 8, <u64>load<u32>(segment(CS), SELECTOR));
  systemWrite(stack - 40, 8, returnIp);
  stack -= 40;
  if (hasError) {
    stack -= 8;
    systemWrite(stack, 8, <u64>error);
  }
  store<u64>(cpu + RSP, stack);
  markAccessed();
  setSegmentFromDescriptor(CS, (selector & ~3) | newCpl);
  let flags = load<u32>(cpu + RFLAGS) & ~(TF | NT | RF | VM);
  if (type == 14) flags &= ~IF;
  store<u32>(cpu + RFLAGS, flags);
  store<u64>(cpu + RIP, target);
  if (newCpl != cpl) {
    store<u32>(cpu + CPL, newCpl);
    setNullSegment(SS, newCpl);
  }
  updateMode();
  updatePrivilege();
}

// Inner stack of the task state, found by `innerStack`.
let innerSelector: u32 = 0;
let innerPointer: u32 = 0;

function innerStack(level: u32): void {
  const task = segment(TR);
  const base = load<u64>(task, BASE);
  const wide = (load<u32>(task, ATTRIBUTES) & 8) != 0;
  const at: u32 = wide ? 4 + (level << 3) : 2 + (level << 2);
  if (at + (wide ? <u32>5 : <u32>3) > load<u32>(task, LIMIT)) raiseError(TS, load<u32>(task, SELECTOR) & 0xfffc);
  innerPointer = <u32>systemRead(base + at, wide ? 4 : 2);
  innerSelector = <u32>systemRead(base + at + (wide ? 4 : 2), 2);
}

function deliverProtected(vector: u32, kind: u32, hasError: bool, error: u32, returnIp: u64): void {
  const at = vector << 3;
  const external: u32 = kind == KIND_SOFTWARE ? 0 : 1;
  if (at + 7 > load<u32>(cpu + IDTR_LIMIT)) raiseError(GP, idtError(vector, kind));
  const gate = systemRead(load<u64>(cpu + IDTR_BASE) + at, 8);
  const type = <u32>(gate >> 40) & 0x1f;
  const wide = type == 14 || type == 15;
  if (!wide && type != 6 && type != 7) raiseError(GP, idtError(vector, kind)); // task gates are not offered
  const cpl = load<u32>(cpu + CPL);
  if (kind == KIND_SOFTWARE && (<u32>(gate >> 45) & 3) < cpl) raiseError(GP, idtError(vector, kind));
  if ((gate & 0x800000000000) == 0) raiseError(NP, idtError(vector, kind));
  const selector = <u32>(gate >> 16) & 0xffff;
  if ((selector & 0xfffc) == 0) raiseError(GP, external);
  if (!readDescriptor(selector)) raiseError(GP, (selector & 0xfffc) | external);
  const codeLow = descriptorLow;
  const codeHigh = descriptorHigh;
  const attributes = attributesOf(codeHigh);
  const level = (attributes >> 5) & 3;
  if ((attributes & 0x18) != 0x18 || level > cpl) raiseError(GP, (selector & 0xfffc) | external);
  if ((attributes & 0x80) == 0) raiseError(NP, (selector & 0xfffc) | external);
  const newCpl = (attributes & 4) != 0 ? cpl : level;

  const size: u32 = wide ? 4 : 2;
  let stackBase = load<u64>(segment(SS), BASE);
  let pointer = load<u64>(cpu + RSP);
  let mask: u64 = load<u32>(cpu + STACK_MASK) == 1 ? 0xffffffff : 0xffff;
  let stackLow: u32 = 0;
  let stackHigh: u32 = 0;
  if (newCpl != cpl) {
    innerStack(newCpl);
    const fault = (innerSelector & 0xfffc) | external;
    if ((innerSelector & 0xfffc) == 0 || !readDescriptor(innerSelector)) raiseError(TS, fault);
    const stackAttributes = attributesOf(descriptorHigh);
    if ((stackAttributes & 0x1a) != 0x12 || ((stackAttributes >> 5) & 3) != newCpl) raiseError(TS, fault);
    if ((stackAttributes & 0x80) == 0) raiseError(STACK_FAULT, fault);
    stackLow = descriptorLow;
    stackHigh = descriptorHigh;
    stackBase = baseOf(stackLow, stackHigh);
    mask = (stackAttributes & ATTRIBUTE_DB) != 0 ? 0xffffffff : 0xffff;
    pointer = <u64>innerPointer;
    pointer -= size;
    systemWrite(stackBase + (pointer & mask), size, <u64>load<u32>(segment(SS), SELECTOR));
    pointer -= size;
    systemWrite(stackBase + (pointer & mask), size, load<u64>(cpu + RSP));
  }
  pointer -= size;
  systemWrite(stackBase + (pointer & mask), size, pushedFlags(kind, vector));
  pointer -= size;
  systemWrite(stackBase + (pointer & mask), size, <u64>load<u32>(segment(CS), SELECTOR));
  pointer -= size;
  systemWrite(stackBase + (pointer & mask), size, returnIp);
  if (hasError) {
    pointer -= size;
    systemWrite(stackBase + (pointer & mask), size, <u64>error);
  }
  if (newCpl != cpl) {
    readDescriptor(innerSelector);
    markAccessed();
    setSegmentFromDescriptor(SS, innerSelector);
    store<u64>(cpu + RSP, pointer & mask);
  } else if (mask == 0xffff) store<u16>(cpu + RSP, <u16>pointer);
  else store<u64>(cpu + RSP, pointer & 0xffffffff);
  readDescriptor(selector);
  markAccessed();
  setSegmentFromDescriptor(CS, (selector & ~3) | newCpl);
  let flags = load<u32>(cpu + RFLAGS) & ~(TF | NT | RF | VM);
  if ((type & 1) == 0) flags &= ~IF;
  store<u32>(cpu + RFLAGS, flags);
  store<u64>(cpu + RIP, wide ? (gate & 0xffff) | ((gate >> 32) & 0xffff0000) : gate & 0xffff);
  store<u32>(cpu + CPL, newCpl);
  updateMode();
  updatePrivilege();
}

/** An external interrupt, between instructions. */
export function interrupt(vector: u32): void {
  store<u32>(cpu + INSTRUCTION, 0);
  store<u32>(cpu + FAULT_NESTED, 0);
  deliver(vector, KIND_EXTERNAL, false, 0, load<u64>(cpu + RIP));
}

/** An NMI between instructions; one that comes while they are blocked waits for IRET. */
export function nonMaskableInterrupt(): void {
  if (load<u32>(cpu + NMI_BLOCKED) != 0) {
    store<u32>(cpu + NMI_PENDING, 1);
    return;
  }
  store<u32>(cpu + NMI_PENDING, 0);
  store<u32>(cpu + INSTRUCTION, 0);
  store<u32>(cpu + FAULT_NESTED, 0);
  deliver(2, KIND_EXTERNAL, false, 0, load<u64>(cpu + RIP));
  store<u32>(cpu + NMI_BLOCKED, 1);
}
