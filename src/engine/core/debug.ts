// Debug registers, single steps and breakpoints [Intel SDM 3B, chapter 17], and those of a debugger outside the guest.
// While TF, a breakpoint of the guest's or any watchpoint is armed the processor runs one instruction at a time, so
// that the fast path knows nothing of them. The outer debugger's breakpoints cost less: where one may lie decoded code
// holds a CROSS record, whose instruction is looked up each time.

import {
  BREAKPOINT_LIST, DEBUG_BREAKPOINTS, DEBUG_HIT, DEBUG_ONCE, DEBUG_SKIP, DEBUG_WATCHPOINTS, WATCH_READ, WATCH_WRITE,
  WATCHPOINT_LIST, WATCHPOINT_SIZE,
  DR0, DR7, PENDING_DEBUG, RF, RFLAGS, STEPPING, TF, TRACED, TRACE_BYTES, TRACE_ENTRIES, TRACE_ENTRY, TRACE_RING,
  TRACING, WATCHING,
  DECODE, MODE, RIP,
} from "./layout";
import { cpu } from "./cpu";
import { flushTlb } from "./tlb";
import { linearRip } from "./dispatch";

const ENABLED: u64 = 0xff;

/** Recomputes STEPPING. Call it when RFLAGS.TF or DR7 change. */
export function updateStepping(): void {
  const armed = (load<u32>(cpu + RFLAGS) & TF) != 0 || (load<u64>(cpu + DR7) & ENABLED) != 0;
  const outside = load<u32>(cpu + DEBUG_WATCHPOINTS) | load<u32>(cpu + DEBUG_ONCE);
  store<u32>(cpu + STEPPING, u32(armed) | load<u32>(cpu + TRACING) | outside);
}

/** The next `run`, with a budget of 1, executes one instruction, wherever breakpoints are. */
export function armStep(): void {
  store<u64>(cpu + DEBUG_SKIP, linearRip());
  store<u32>(cpu + STEPPING, 1);
}

/** The outer debugger has changed something while the processor was paused. */
export function updateDebugger(): void {
  store<u64>(cpu + DEBUG_SKIP, 0);
  const control = load<u64>(cpu + DR7);
  store<u32>(cpu + WATCHING, watchingOf(control));
  updateStepping();
}

/** An instruction of a page at `offset` may have a breakpoint of the outer debugger. */
export function mayBreak(offset: u32): bool {
  const count = load<u32>(cpu + DEBUG_BREAKPOINTS);
  for (let n: u32 = 0; n < count; n++) {
    if ((load<u32>(cpu + BREAKPOINT_LIST + (n << 3)) & 0xfff) == offset) return true;
  }
  return false;
}

/** The outer debugger wants the processor to stop in front of the instruction at `linear`. */
export function breaksAt(linear: u64): bool {
  const count = load<u32>(cpu + DEBUG_BREAKPOINTS);
  if (count == 0) return false;
  const skipped = load<u64>(cpu + DEBUG_SKIP) == linear;
  store<u64>(cpu + DEBUG_SKIP, 0);
  if (skipped) return false;
  for (let n: u32 = 0; n < count; n++) if (load<u64>(cpu + BREAKPOINT_LIST + (n << 3)) == linear) return true;
  return false;
}

/** Kinds of breakpoint in DR7. */
const ON_EXECUTION: u64 = 0;
const ON_PORT: u64 = 2;
const ON_ACCESS: u64 = 3;

// @ts-ignore: decorator
@inline
function isEnabled(control: u64, n: u32): bool {
  return ((control >> (n << 1)) & 3) != 0;
}

// @ts-ignore: decorator
@inline
function kindOf(control: u64, n: u32): u64 {
  return (control >> (16 + (n << 2))) & 3;
}

/** Bytes that breakpoint `n` covers: 1, 2, 8 or 4. */
function lengthOf(control: u64, n: u32): u64 {
  const field = (control >> (18 + (n << 2))) & 3;
  return field == 2 ? 8 : field + 1;
}

function watchingOf(control: u64): u32 {
  for (let n: u32 = 0; n < 4; n++) if (isEnabled(control, n) && kindOf(control, n) != ON_EXECUTION) return 1;
  return u32(load<u32>(cpu + DEBUG_WATCHPOINTS) != 0);
}

/** DR0…DR3 or DR7 changed: pages with data breakpoints must take the slow path from now on. */
export function updateBreakpoints(): void {
  const watching = watchingOf(load<u64>(cpu + DR7));
  if (watching != 0 || load<u32>(cpu + WATCHING) != 0) flushTlb();
  store<u32>(cpu + WATCHING, watching);
  // RF lasts for one instruction, which is over; the fast path does not clear it.
  store<u32>(cpu + RFLAGS, load<u32>(cpu + RFLAGS) & ~RF);
  updateStepping();
}

/** A data breakpoint lies in the page of `address`. */
export function isWatchedPage(address: u64): bool {
  const control = load<u64>(cpu + DR7);
  for (let n: u32 = 0; n < 4; n++) {
    if (isEnabled(control, n) && kindOf(control, n) != ON_EXECUTION
      && ((load<u64>(cpu + DR0 + (n << 3)) ^ address) & ~0xfff) == 0) {
      return true;
    }
  }
  const count = load<u32>(cpu + DEBUG_WATCHPOINTS);
  for (let n: u32 = 0; n < count; n++) {
    const entry = cpu + WATCHPOINT_LIST + n * WATCHPOINT_SIZE;
    const first = load<u64>(entry) & ~0xfff;
    const last = (load<u64>(entry) + load<u32>(entry, 8) - 1) & ~0xfff;
    const page = address & ~0xfff;
    if (page >= first && page <= last) return true;
  }
  return false;
}

/** Notes the data breakpoints that an access of `size` bytes hits; they trap after the instruction. */
export function noteAccess(address: u64, size: u32, write: bool): void {
  const control = load<u64>(cpu + DR7);
  for (let n: u32 = 0; n < 4; n++) {
    const kind = kindOf(control, n);
    if (!isEnabled(control, n) || kind == ON_EXECUTION || kind == ON_PORT || (kind != ON_ACCESS && !write)) continue;
    const length = lengthOf(control, n);
    const start = load<u64>(cpu + DR0 + (n << 3)) & ~(length - 1);
    if (address < start + length && start < address + size) {
      store<u32>(cpu + PENDING_DEBUG, load<u32>(cpu + PENDING_DEBUG) | (1 << n));
    }
  }
  const count = load<u32>(cpu + DEBUG_WATCHPOINTS);
  for (let n: u32 = 0; n < count; n++) {
    const entry = cpu + WATCHPOINT_LIST + n * WATCHPOINT_SIZE;
    const start = load<u64>(entry);
    if ((load<u32>(entry, 12) & <u32>(write ? WATCH_WRITE : WATCH_READ)) == 0) continue;
    if (address < start + load<u32>(entry, 8) && start < address + size) store<u32>(cpu + DEBUG_HIT, n + 1);
  }
}

/** DR6 bits of the instruction breakpoints at the linear address. */
export function codeBreakpoints(linear: u64): u32 {
  const control = load<u64>(cpu + DR7);
  let hits: u32 = 0;
  if ((control & ENABLED) == 0 || (load<u32>(cpu + RFLAGS) & RF) != 0) return 0;
  for (let n: u32 = 0; n < 4; n++) {
    if (isEnabled(control, n) && kindOf(control, n) == ON_EXECUTION && load<u64>(cpu + DR0 + (n << 3)) == linear)
      hits |= 1 << n;
  }
  return hits;
}

/** Puts the instruction that is about to run, whose bytes lie in DECODE, into the trace. */
export function traceInstruction(): void {
  const number = load<u32>(cpu + TRACED);
  const entry = cpu + TRACE_RING + <usize>(number % TRACE_ENTRIES) * TRACE_ENTRY;
  store<u64>(entry, load<u64>(cpu + RIP));
  store<u32>(entry, load<u32>(cpu + MODE), 8);
  memory.copy(entry + TRACE_BYTES, cpu + DECODE, 15);
  store<u32>(cpu + TRACED, number + 1);
}
