// Bit instructions: double shifts, POPCNT, and the tests of bits in memory by an offset in a register.

import { FLAGS_AUX, FLAGS_RESULT, IMMEDIATE, OPERAND, RCX, RDX, TARGET, THIRD, ZF } from "./layout";
import { cpu } from "./cpu";
import { setArithmeticFlags, overflow } from "./flags";
import { addressMask, ea, effectiveAddress } from "./address";
import { multiplyHigh } from "./arithmetic";
import {
  exchangeMemory, inMemory, readForExchange, readMemory, readMemoryForWrite, readOperand, readRegister, signedOf,
  sizeMask, sizeOf, writeMemory, writeRegister,
} from "./operand";

function setShiftFlags(result: u64, size: u32, carry: u32, overflow: u32): void {
  store<i64>(cpu + FLAGS_RESULT, signedOf(result, size));
  store<u32>(cpu + FLAGS_AUX, (carry << 31) | ((carry ^ overflow) << 30));
}

function doubleShift(u: usize, count: u32, left: bool): void {
  const size = sizeOf(u);
  const bits: u32 = 8 << size;
  const memory = inMemory(u);
  const address = memory ? ea(u) : 0;
  const value = memory ? readMemoryForWrite(address, size) : readRegister(load<u16>(u, TARGET), size);
  let by = count & (size == 3 ? 63 : 31);
  if (by == 0) {
    // A 32-bit destination is written, and so zero-extended, all the same.
    if (!memory && size == 2) writeRegister(load<u16>(u, TARGET), size, value);
    return;
  }
  const fill = readRegister(load<u16>(u, OPERAND), size);
  let result: u64;
  let carry: u32;
  if (size == 1) {
    // 16 bits with a count up to 31: the source follows, then the destination again, as processors do it.
    const wide: u64 = left ? (value << 32) | (fill << 16) | value : value | (fill << 16) | (value << 32);
    if (left) {
      result = ((wide << by) >> 32) & 0xffff;
      carry = <u32>((wide << (by - 1)) >> 47) & 1;
    } else {
      result = (wide >> by) & 0xffff;
      carry = <u32>(wide >> (by - 1)) & 1;
    }
  } else if (left) {
    result = ((value << by) | (fill >> (bits - by))) & sizeMask(size);
    carry = <u32>(value >> (bits - by)) & 1;
  } else {
    result = ((value >> by) | (fill << (bits - by))) & sizeMask(size);
    carry = <u32>(value >> (by - 1)) & 1;
  }
  if (memory) writeMemory(address, size, result);
  else writeRegister(load<u16>(u, TARGET), size, result);
  const changed = <u32>((result ^ value) >> (bits - 1)) & 1;
  setShiftFlags(result, size, carry, changed);
}

export function shld(u: usize): void {
  doubleShift(u, load<u8>(u, IMMEDIATE), true);
}

export function shldCl(u: usize): void {
  doubleShift(u, load<u8>(cpu + RCX), true);
}

export function shrd(u: usize): void {
  doubleShift(u, load<u8>(u, IMMEDIATE), false);
}

export function shrdCl(u: usize): void {
  doubleShift(u, load<u8>(cpu + RCX), false);
}

export function popcount(u: usize): void {
  const size = sizeOf(u);
  const value = readOperand(u, size);
  writeRegister(load<u16>(u, TARGET), size, popcnt<u64>(value));
  setArithmeticFlags(value == 0 ? ZF : 0);
}

/** MULX: the product's lower half goes to the register of VEX.vvvv; when both are one it keeps the upper half. */
export function mulx(u: usize): void {
  const size = sizeOf(u);
  const a = readRegister(RDX, size);
  const b = readOperand(u, size);
  writeRegister(load<u16>(u, THIRD), size, a * b);
  writeRegister(load<u16>(u, TARGET), size, size == 3 ? multiplyHigh(a, b) : (a * b) >> 32);
}

/** PDEP: the lowest bits of the register of VEX.vvvv go to where the operand has bits. */
export function pdep(u: usize): void {
  const size = sizeOf(u);
  let from = readRegister(load<u16>(u, THIRD), size);
  let result: u64 = 0;
  for (let mask = readOperand(u, size); mask != 0; mask &= mask - 1) {
    if ((from & 1) != 0) result |= mask & (0 - mask);
    from >>= 1;
  }
  writeRegister(load<u16>(u, TARGET), size, result);
}

/** PEXT: the other way round. */
export function pext(u: usize): void {
  const size = sizeOf(u);
  const from = readRegister(load<u16>(u, THIRD), size);
  let result: u64 = 0;
  let bit: u64 = 1;
  for (let mask = readOperand(u, size); mask != 0; mask &= mask - 1) {
    if ((from & mask & (0 - mask)) != 0) result |= bit;
    bit <<= 1;
  }
  writeRegister(load<u16>(u, TARGET), size, result);
}

function setCarry(carry: u32): void {
  const overflowing = overflow();
  store<u32>(cpu + FLAGS_AUX, (load<u32>(cpu + FLAGS_AUX) & 0x3fffffff) | (carry << 31)
    | ((carry ^ overflowing) << 30));
}

const BIT_TEST: u32 = 0;
const BIT_SET: u32 = 1;
const BIT_RESET: u32 = 2;
const BIT_COMPLEMENT: u32 = 3;

function modify(value: u64, mask: u64, what: u32): u64 {
  return what == BIT_SET ? value | mask : what == BIT_RESET ? value & ~mask : value ^ mask;
}

/** Of a bit in memory: the offset in a register reaches beyond the operand, both ways. */
function bitByRegister(u: usize, what: u32): void {
  const size = sizeOf(u);
  const bits: u32 = 8 << size;
  const offset = signedOf(readRegister(load<u16>(u, OPERAND), size), size);
  const mask = <u64>1 << (<u64>offset & (bits - 1));
  // The displaced offset wraps at the address size before the segment base is added.
  const plain = effectiveAddress(u);
  const displaced = (plain + <u64>((offset >> (3 + size)) << size)) & addressMask(u);
  const address = ea(u) - plain + displaced;
  let value: u64;
  if (what == BIT_TEST) value = readMemory(address, size);
  else {
    do value = readForExchange(u, address, size);
    while (!exchangeMemory(u, address, size, value, modify(value, mask, what)));
  }
  setCarry(u32((value & mask) != 0));
}

export function btMemory(u: usize): void {
  bitByRegister(u, BIT_TEST);
}

export function bts(u: usize): void {
  bitByRegister(u, BIT_SET);
}

export function btr(u: usize): void {
  bitByRegister(u, BIT_RESET);
}

export function btc(u: usize): void {
  bitByRegister(u, BIT_COMPLEMENT);
}
