// Instructions with a VEX prefix [SDM vol. 2, 2.3]: three operands, vectors of 128 or 256 bits, the rest of the
// register becomes zero. Nearly all do in each lane of 128 bits what SSE does in its only one: the same handlers run
// for them, on a copy of the first source. The row's shape says how lanes meet their operands.

import {
  AC, BYTES, DESTINATION, FORM, FORM_ALIGNED, IMMEDIATE, OPERAND, RFLAGS, SHAPE_COMMON, SHAPE_GENERAL, SHAPE_NARROW,
  SHAPE_SOURCE_FIRST, SHAPE_TERNARY, SHAPE_WHOLE, SHAPE_WIDEN, SOURCE, TARGET, THIRD, WIDE, WIDE_LENGTH, WIDE_SHAPE,
  WIDE_SHAPE_MASK, WIDE_SHIFT, XMM,
} from "../layout";
import { cpu, GP, raiseError } from "../cpu";
import { ea } from "../address";
import { probeWrite, readBytes, writeBytes } from "../memory";
import { checkAvx } from "../fpu-state";
import { holdSse, releaseSse } from "../float/sse-environment";
import { vector } from "../generated/handlers";

/** The register of VEX.vvvv, for handlers that have three sources. */
export let second: usize = 0;
/** The lane that a handler is called for: 0 or 16. */
export let lane: usize = 0;
/** Vectors are of 256 bits. */
export let isLong: bool = false;

/** Runs the handler for all lanes, on `t`, which holds the first source. */
function run(u: usize, s: usize, t: usize): void {
  const form = <u32>load<u8>(u, WIDE);
  const shape = (form >> WIDE_SHAPE) & WIDE_SHAPE_MASK;
  const i = <i32>load<u8>(u, IMMEDIATE);
  isLong = (form & WIDE_LENGTH) == 2;
  lane = 0;
  if (!isLong || shape == SHAPE_WHOLE) {
    vector(u, t, s, i);
    return;
  }
  holdSse();
  vector(u, t, s, i);
  lane = 16;
  const next = shape == SHAPE_COMMON ? s : shape == SHAPE_WIDEN ? s + (<usize>load<u16>(u, BYTES) >> 1) : s + 16;
  vector(u, t + 16, next, i >> (form >> WIDE_SHIFT));
  if (shape == SHAPE_NARROW) {
    store<u64>(t, load<u64>(t, 16), 8);
    v128.store(t, i64x2.splat(0), 16);
  }
  releaseSse();
}

/** With the source at `s`, into a register. */
function intoRegister(u: usize, s: usize): void {
  const form = <u32>load<u8>(u, WIDE);
  const shape = (form >> WIDE_SHAPE) & WIDE_SHAPE_MASK;
  const target = cpu + load<u16>(u, TARGET);
  second = cpu + load<u16>(u, THIRD);
  if (shape == SHAPE_GENERAL || target < cpu + XMM) {
    isLong = (form & WIDE_LENGTH) == 2;
    vector(u, target, s, load<u8>(u, IMMEDIATE));
    return;
  }
  const t = cpu + DESTINATION;
  const first = shape == SHAPE_TERNARY ? target : shape == SHAPE_SOURCE_FIRST ? s : second;
  v128.store(t, v128.load(first));
  v128.store(t, v128.load(first, 16), 16);
  run(u, s, t);
  v128.store(target, v128.load(t));
  v128.store(target, isLong ? v128.load(t, 16) : i64x2.splat(0), 16);
}

export function wide(u: usize): void {
  checkAvx();
  intoRegister(u, cpu + load<u16>(u, OPERAND));
}

function checkOperand(u: usize, address: u64): void {
  if ((load<u8>(u, FORM) & FORM_ALIGNED) != 0 && (address & (load<u16>(u, BYTES) - 1)) != 0) raiseError(GP, 0);
}

/** 32 bytes there can be accessed in two parts, of which the second does not fault when the first has not. */
function isWithinPage(address: u64): bool {
  return (address & 0xfff) <= 0xfe0 && (load<u32>(cpu + RFLAGS) & AC) == 0;
}

export function wideLoad(u: usize): void {
  checkAvx();
  const address = ea(u);
  checkOperand(u, address);
  const bytes = <u32>load<u16>(u, BYTES);
  if (bytes == 32 && isWithinPage(address)) {
    readBytes(address, cpu + SOURCE, 16);
    readBytes(address + 16, cpu + SOURCE + 16, 16);
  } else readBytes(address, cpu + SOURCE, bytes);
  intoRegister(u, cpu + SOURCE);
}

export function wideStore(u: usize): void {
  checkAvx();
  const t = cpu + DESTINATION;
  run(u, cpu + load<u16>(u, OPERAND), t);
  const address = ea(u);
  checkOperand(u, address);
  const bytes = <u32>load<u16>(u, BYTES);
  if (bytes == 32 && isWithinPage(address)) {
    writeBytes(address, t, 16);
    writeBytes(address + 16, t + 16, 16);
    return;
  }
  probeWrite(address, bytes);
  writeBytes(address, t, bytes);
}
