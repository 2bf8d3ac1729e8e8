// Operands of system instructions: ModRM.rm in a register or memory, of log2 size 0…3.

import { ADDRESS, FORM, FORM_LOCK, OPERAND, TARGET } from "./layout";
import { cpu } from "./cpu";
import { ea } from "./address";
import {
  lockedRead, lockedWrite, read16, read32, read64, read8, readForWrite16, readForWrite32, readForWrite64,
  readForWrite8, write16, write32, write64, write8,
} from "./memory";

/** log2 of the operand size. */
// @ts-ignore: decorator
@inline
export function sizeOf(u: usize): u32 {
  return load<u8>(u, FORM) & 3;
}

// @ts-ignore: decorator
@inline
export function inMemory(u: usize): bool {
  return load<u8>(u, ADDRESS) != 0;
}

/** All ones in `size`. */
export function sizeMask(size: u32): u64 {
  return size == 3 ? ~0 : (<u64>1 << (8 << size)) - 1;
}

/** Sign-extends from `size`. */
export function signedOf(value: u64, size: u32): i64 {
  if (size == 0) return <i64>(<i8>value);
  if (size == 1) return <i64>(<i16>value);
  if (size == 2) return <i64>(<i32>value);
  return <i64>value;
}

export function readMemory(address: u64, size: u32): u64 {
  if (size == 0) return read8(address);
  if (size == 1) return read16(address);
  return size == 2 ? read32(address) : read64(address);
}

export function readMemoryForWrite(address: u64, size: u32): u64 {
  if (size == 0) return readForWrite8(address);
  if (size == 1) return readForWrite16(address);
  return size == 2 ? readForWrite32(address) : readForWrite64(address);
}

/** The instruction reads and writes memory, and nobody may come between. */
// @ts-ignore: decorator
@inline
export function isLocked(u: usize): bool {
  return (load<u8>(u, FORM) & FORM_LOCK) != 0;
}

/** As `readMemoryForWrite`; of a locked instruction the pair with `exchangeMemory`. */
export function readForExchange(u: usize, address: u64, size: u32): u64 {
  return isLocked(u) ? lockedRead(address, 1 << size) : readMemoryForWrite(address, size);
}

/**
 * Writes `value` over `old`, which `readForExchange` gave. False, of a locked instruction: it has changed, begin again.
 */
export function exchangeMemory(u: usize, address: u64, size: u32, old: u64, value: u64): bool {
  if (isLocked(u)) return lockedWrite(address, 1 << size, old, value);
  writeMemory(address, size, value);
  return true;
}

export function writeMemory(address: u64, size: u32, value: u64): void {
  if (size == 0) write8(address, value);
  else if (size == 1) write16(address, value);
  else if (size == 2) write32(address, value);
  else write64(address, value);
}

/** Register at an offset of the processor, zero-extended from `size`. */
export function readRegister(offset: u32, size: u32): u64 {
  return load<u64>(cpu + (offset & ~7)) >> ((offset & 7) << 3) & sizeMask(size);
}

/** Writes `size` bytes of a register; 32 bits clear the upper half. */
export function writeRegister(offset: u32, size: u32, value: u64): void {
  if (size == 3) store<u64>(cpu + offset, value);
  else if (size == 2) store<u64>(cpu + offset, value & 0xffffffff);
  else if (size == 1) store<u16>(cpu + offset, <u16>value);
  else store<u8>(cpu + offset, <u8>value);
}

/** The ModRM.rm operand of a row whose first operand it is. */
export function readTarget(u: usize, size: u32): u64 {
  return inMemory(u) ? readMemory(ea(u), size) : readRegister(load<u16>(u, TARGET), size);
}

/** The ModRM.rm operand of a row whose second operand it is. */
export function readOperand(u: usize, size: u32): u64 {
  return inMemory(u) ? readMemory(ea(u), size) : readRegister(load<u16>(u, OPERAND), size);
}

export function writeTarget(u: usize, size: u32, value: u64): void {
  if (inMemory(u)) writeMemory(ea(u), size, value);
  else writeRegister(load<u16>(u, TARGET), size, value);
}
