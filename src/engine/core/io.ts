// Port input and output, with the checks of CPL, IOPL and the task state's permission bitmap.

import {
  BASE, CPL, CR0, IMMEDIATE, IOPL, LIMIT, RAX, RDX, RFLAGS, SEGMENTS, SEGMENT_SIZE, TR,
} from "./layout";
import { cpu, GP, raiseError } from "./cpu";
import { systemRead } from "./memory";
import { sizeOf, writeRegister } from "./operand";

// @ts-ignore: decorator
@external("env", "portRead")
declare function portReadImport(port: u32, size: u32): u32;
// @ts-ignore: decorator
@external("env", "portWrite")
declare function portWriteImport(port: u32, size: u32, value: u32): void;

export function portRead(port: u32, size: u32): u64 {
  const value = <u64>portReadImport(port, size);
  return size == 4 ? value : value & ((<u64>1 << (size << 3)) - 1);
}

export function portWrite(port: u32, size: u32, value: u32): void {
  portWriteImport(port, size, size == 4 ? value : value & ((1 << (size << 3)) - 1));
}

/** Raises #GP when the port may not be accessed. */
export function checkPort(port: u32, size: u32): void {
  if ((load<u64>(cpu + CR0) & 1) == 0) return;
  if (load<u32>(cpu + CPL) <= (load<u32>(cpu + RFLAGS) & IOPL) >> 12) return;
  const task = cpu + SEGMENTS + TR * SEGMENT_SIZE;
  const limit = load<u32>(task, LIMIT);
  if (limit < 0x67) raiseError(GP, 0);
  const base = load<u64>(task, BASE);
  const at = <u32>systemRead(base + 0x66, 2) + (port >> 3);
  if (at + 1 > limit) raiseError(GP, 0);
  const bits = <u32>systemRead(base + at, 2) >> (port & 7);
  if ((bits & ((1 << size) - 1)) != 0) raiseError(GP, 0);
}

function portSize(u: usize): u32 {
  const size = sizeOf(u);
  return size == 3 ? 2 : size;
}

function input(port: u32, size: u32): void {
  checkPort(port, 1 << size);
  writeRegister(RAX, size, portRead(port, 1 << size));
}

function output(port: u32, size: u32): void {
  checkPort(port, 1 << size);
  portWrite(port, 1 << size, load<u32>(cpu + RAX));
}

export function inImmediate8(u: usize): void { input(load<u8>(u, IMMEDIATE), 0); }
export function inImmediate(u: usize): void { input(load<u8>(u, IMMEDIATE), portSize(u)); }
export function inDx8(u: usize): void { input(load<u16>(cpu + RDX), 0); }
export function inDx(u: usize): void { input(load<u16>(cpu + RDX), portSize(u)); }
export function outImmediate8(u: usize): void { output(load<u8>(u, IMMEDIATE), 0); }
export function outImmediate(u: usize): void { output(load<u8>(u, IMMEDIATE), portSize(u)); }
export function outDx8(u: usize): void { output(load<u16>(cpu + RDX), 0); }
export function outDx(u: usize): void { output(load<u16>(cpu + RDX), portSize(u)); }
