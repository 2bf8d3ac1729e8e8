// The stack. Hot path: in 64-bit mode RSP is a plain address (STACK_MASK 0); elsewhere the segment and the mask apply.

import { RSP, SS, STACK_MASK } from "./layout";
import { cpu } from "./cpu";
import { linearAddress } from "./address";
import { probeWrite, read16, read32, read64, write16, write32, write64 } from "./memory";

/** Mask of the stack pointer. */
export function stackMask(): u64 {
  const kind = load<u32>(cpu + STACK_MASK);
  return kind == 0 ? ~0 : kind == 1 ? 0xffffffff : 0xffff;
}

/** Writes the stack pointer: a 16-bit one keeps the upper bits, a 32-bit one clears them. */
export function setStackPointer(value: u64): void {
  const kind = load<u32>(cpu + STACK_MASK);
  if (kind == 2) store<u16>(cpu + RSP, <u16>value);
  else if (kind == 1) store<u64>(cpu + RSP, value & 0xffffffff);
  else store<u64>(cpu + RSP, value);
}

/** Linear address of `size` bytes at `distance` from the stack pointer. */
function stackAddress(distance: i64, size: u32, write: bool): u64 {
  const offset = (load<u64>(cpu + RSP) + distance) & stackMask();
  return load<u32>(cpu + STACK_MASK) == 0 ? offset : linearAddress(SS, offset, size, write);
}

export function push64(value: u64): void {
  const pointer = load<u64>(cpu + RSP) - 8;
  write64(pointer, value);
  store<u64>(cpu + RSP, pointer);
}

export function push32(value: u64): void {
  write32(stackAddress(-4, 4, true), value);
  setStackPointer(load<u64>(cpu + RSP) - 4);
}

export function push16(value: u64): void {
  write16(stackAddress(-2, 2, true), value);
  setStackPointer(load<u64>(cpu + RSP) - 2);
}

export function pop64(): u64 {
  const pointer = load<u64>(cpu + RSP);
  const value = read64(pointer);
  store<u64>(cpu + RSP, pointer + 8);
  return value;
}

export function pop32(): u64 {
  const value = read32(stackAddress(0, 4, false));
  setStackPointer(load<u64>(cpu + RSP) + 4);
  return value;
}

export function pop16(): u64 {
  const value = read16(stackAddress(0, 2, false));
  setStackPointer(load<u64>(cpu + RSP) + 2);
  return value;
}

export function peek64(distance: i64): u64 {
  return read64(stackAddress(distance, 8, false));
}

export function peek32(distance: i64): u64 {
  return read32(stackAddress(distance, 4, false));
}

export function peek16(distance: i64): u64 {
  return read16(stackAddress(distance, 2, false));
}

/** Raises what writing `bytes` at `depth` below the stack pointer would raise. */
export function probePush(depth: u32, bytes: u32): void {
  probeWrite(stackAddress(-(<i64>depth), bytes, true), bytes);
}

/** Pushes a selector; of four bytes only the lower two are written, as processors do. */
export function pushSelector(size: u32, selector: u32): void {
  if (size != 2) {
    push(size, <u64>selector);
    return;
  }
  write16(stackAddress(-4, 2, true), <u64>selector);
  setStackPointer(load<u64>(cpu + RSP) - 4);
}

/** Writes an operand of log2 size 1…3 at `distance` from the stack pointer. */
export function poke(size: u32, distance: i64, value: u64): void {
  if (size == 3) write64(stackAddress(distance, 8, true), value);
  else if (size == 2) write32(stackAddress(distance, 4, true), value);
  else write16(stackAddress(distance, 2, true), value);
}

/** Reads the selector that lies, in an operand of its own, at `distance` from the stack pointer. */
export function peekSelector(distance: i64): u32 {
  return <u32>read16(stackAddress(distance, 2, false));
}

/** Takes `bytes` off the stack. */
export function drop(bytes: u32): void {
  setStackPointer(load<u64>(cpu + RSP) + bytes);
}

/** Pushes an operand of log2 size 1…3. */
export function push(size: u32, value: u64): void {
  if (size == 3) push64(value);
  else if (size == 2) push32(value);
  else push16(value);
}

export function pop(size: u32): u64 {
  return size == 3 ? pop64() : size == 2 ? pop32() : pop16();
}

export function peek(size: u32, distance: i64): u64 {
  return size == 3 ? peek64(distance) : size == 2 ? peek32(distance) : peek16(distance);
}
