// Between blocks: the checks that every block's end passes, and the ways to the next record.

import {
  ARENA_CHANGES, BASE, BUDGET, CODE_BASE, COUNT, CS, DISPLACEMENT, EXIT_REQUEST, IF, INSTRUCTION, LENGTH, LINK, LINKED,
  MODE, MODE_64, OFFSET, OP_NEXT, RFLAGS, RIP, SCALE, SEGMENT_SIZE, SEGMENTS, SHADOW, STEPPING, STOP, WINDOW,
} from "./layout";
import { cpu } from "./cpu";
import { configuration, translateCode } from "./memory";
import { codePageNumber, linkTarget, lookup } from "./blocks";
import { decodeStep } from "./decode";
import { breaksAt } from "./debug";
import { attend } from "./processors";

// What `run` returns, the engine port's StopReason.
export const STOP_SLICE: u32 = 0;
export const STOP_KICK: u32 = 1;
export const STOP_HALT: u32 = 2;
export const STOP_WINDOW: u32 = 3;
export const STOP_SHUTDOWN: u32 = 4;
/** A breakpoint, watchpoint or step of a debugger outside the guest. */
export const STOP_DEBUG: u32 = 5;
/** Internal: go on in the other loop (single steps or blocks). */
export const STOP_MODE: u32 = 100;

/** Asks the interpreter to return `reason` at the end of this instruction. */
export function stop(reason: u32): void {
  store<u32>(cpu + STOP, reason + 1);
}

/** First record at RIP, or 0 when the processor is to stop. */
export function dispatch(): usize {
  if (load<u32>(cpu + STOP) != 0) return 0;
  if (load<i32>(cpu + BUDGET) <= 0) stop(STOP_SLICE);
  else if (load<i32>(cpu + EXIT_REQUEST) != 0 && attend()) stop(STOP_KICK);
  else if (load<u32>(cpu + STEPPING) != 0) stop(STOP_MODE);
  else if (load<u32>(cpu + SHADOW) != 0) {
    store<u32>(cpu + SHADOW, 0);
    // One instruction runs in the shadow; an interrupt that waits comes right behind it.
    return load<u32>(cpu + WINDOW) == 0 ? lookup() : single();
  } else if (load<u32>(cpu + WINDOW) != 0 && (load<u32>(cpu + RFLAGS) & IF) != 0) stop(STOP_WINDOW);
  else return lookup();
  return 0;
}

/** The instruction at RIP alone, as a block of its own. */
function single(): usize {
  store<u32>(cpu + INSTRUCTION, 0);
  const linear = linearRip();
  if (breaksAt(linear)) {
    stop(STOP_DEBUG);
    return 0;
  }
  const physical = translateCode(linear);
  const offset = <u32>linear & 0xfff;
  store<u64>(cpu + CODE_BASE, load<u64>(cpu + RIP) - offset);
  return decodeStep(physical, linear, offset, 1, OP_NEXT);
}

/** Finds the target of a branch within the page and remembers it in the branch's record. */
export function link(u: usize): usize {
  const before = load<u32>(configuration, ARENA_CHANGES);
  const target = linkTarget(load<u32>(u, DISPLACEMENT));
  // When records have made room meanwhile, the branch's may be gone.
  if (load<u32>(configuration, ARENA_CHANGES) != before) return target;
  store<u32>(u, <u32>target, LINK);
  store<u8>(u, LINKED, SCALE);
  return target;
}

/** Linear address of RIP. */
export function linearRip(): u64 {
  const ip = load<u64>(cpu + RIP);
  if (load<u32>(cpu + MODE) == MODE_64) return ip;
  return (ip + load<u64>(cpu + SEGMENTS + CS * SEGMENT_SIZE, BASE)) & 0xffffffff;
}

/**
 * For the translator: the record of the instruction at a distance from the page that runs, in 64-bit mode, that reaches
 * into the next page. 0: it does not, a debugger waits there, or the TLB does not know both pages.
 */
export function decodeCrossing(distance: f64): usize {
  const offset = <u32>(<i64>distance & 0xfff);
  const page = codePageNumber(distance);
  if (page < 0 || codePageNumber(distance + <f64>(0x1000 - offset)) < 0) return 0;
  const linear = load<u64>(cpu + CODE_BASE) + <u64><i64>distance;
  if (breaksAt(linear)) return 0;
  const record = decodeStep((<u64>page << 12) | offset, linear, offset, 1, OP_NEXT);
  return offset + load<u8>(record, LENGTH) > 0x1000 ? record : 0;
}

/**
 * Decodes the instruction that a CROSS record stands for; RIP points to it. 0 when a debugger's breakpoint lies there:
 * the processor is to stop.
 */
export function crossPage(u: usize): usize {
  const count = load<u8>(u, COUNT);
  const offset = load<u16>(u, OFFSET);
  store<u32>(cpu + INSTRUCTION, 0);
  store<i32>(cpu + BUDGET, load<i32>(cpu + BUDGET) - (count - 1));
  const linear = linearRip();
  if (breaksAt(linear)) {
    stop(STOP_DEBUG);
    return 0;
  }
  return decodeStep(translateCode(linear), linear, offset, 1, OP_NEXT);
}
