// What a comparison of regions with the interpreter needs of the core (../lockstep): to hear of pages that are about to
// be written, and to do single instructions again.

import { BUDGET, CODE_BASE, INSTRUCTION, OP_STOP, RIP, STOP } from "./layout";
import { cpu } from "./cpu";
import { translateCode } from "./memory";
import { dropAllWriteTags } from "./tlb";
import { decodeStep } from "./decode";
import { linearRip, STOP_KICK, STOP_SLICE } from "./dispatch";
import { interpret } from "./generated/interpret";

// @ts-ignore: decorator
@external("env", "journalPage")
declare function journalPage(host: u32): void;

let journaling: bool = false;

/** From now on the first write to each page is told, or not. */
export function journalWrites(on: bool): void {
  journaling = on;
  if (on) dropAllWriteTags();
}

// @ts-ignore: decorator
@inline
export function isJournaling(): bool {
  return journaling;
}

/** The page at host address `host` is about to be written. */
export function notePage(host: usize): void {
  if (host != 0) journalPage(<u32>host & ~0xfff);
}

/** Interprets the instruction at RIP, decoding it anew; raises what it raises. Whoever asks keeps the budget. */
export function replayInstruction(): void {
  store<u32>(cpu + INSTRUCTION, 0);
  store<u32>(cpu + STOP, 0);
  const linear = linearRip();
  const physical = translateCode(linear);
  const offset = <u32>linear & 0xfff;
  store<u64>(cpu + CODE_BASE, load<u64>(cpu + RIP) - offset);
  store<i32>(cpu + BUDGET, 1);
  interpret(decodeStep(physical, linear, offset, 1, OP_STOP));
  store<u32>(cpu + INSTRUCTION, 0);
  const stopped = load<u32>(cpu + STOP);
  if (stopped == STOP_SLICE + 1 || stopped == STOP_KICK + 1) store<u32>(cpu + STOP, 0);
}
