// Integer arithmetic that is more than an expression: widening multiply, divide, decimal adjustment,
// exchange-and-compare.

import {
  AF, CF, FLAGS_AUX, FLAGS_RESULT, IMMEDIATE, OF, OPERAND, PF, RANDOM, RAX, RBX, RCX, RDX, SF, TARGET, ZF,
} from "./layout";
import { cpu, DE, GP, raise, raiseError } from "./cpu";
import { arithmeticFlags, setArithmeticFlags } from "./flags";
import { ea } from "./address";
import {
  exchangeMemory, inMemory, isLocked, readForExchange, readMemory, readOperand, readRegister, readTarget, signedOf,
  sizeMask, sizeOf, writeRegister, writeTarget,
} from "./operand";
import { lockedPlace, probeWrite, read64, write64, read32, write32 } from "./memory";
import { hasCode } from "./blocks";
import { codeWritten, lockExchange, unlockExchange } from "./processors";

/** High 64 bits of the unsigned product. */
export function multiplyHigh(a: u64, b: u64): u64 {
  const al = a & 0xffffffff;
  const ah = a >> 32;
  const bl = b & 0xffffffff;
  const bh = b >> 32;
  const low = al * bl;
  const middle = ah * bl + (low >> 32);
  const cross = al * bh + (middle & 0xffffffff);
  return ah * bh + (middle >> 32) + (cross >> 32);
}

/** High 64 bits of the signed product. */
export function multiplyHighSigned(a: u64, b: u64): u64 {
  let high = multiplyHigh(a, b);
  if (<i64>a < 0) high -= b;
  if (<i64>b < 0) high -= a;
  return high;
}

/** CF and OF as given; SF ZF PF by the low half, as processors happen to do; AF clear. */
function setProductFlags(low: u64, size: u32, overflow: bool): void {
  store<i64>(cpu + FLAGS_RESULT, signedOf(low, size));
  store<u32>(cpu + FLAGS_AUX, overflow ? 0x80000000 : 0);
}

export function mul8(u: usize): void {
  const product = <u64>load<u8>(cpu + RAX) * readTarget(u, 0);
  store<u16>(cpu + RAX, <u16>product);
  setProductFlags(product, 0, product > 0xff);
}

export function imul8(u: usize): void {
  const product = <i64>load<i8>(cpu + RAX) * signedOf(readTarget(u, 0), 0);
  store<u16>(cpu + RAX, <u16>product);
  setProductFlags(<u64>product, 0, product != signedOf(<u64>product, 0));
}

export function mul(u: usize): void {
  const size = sizeOf(u);
  const a = readRegister(RAX, size);
  const b = readTarget(u, size);
  const low = a * b;
  const high = size == 3 ? multiplyHigh(a, b) : low >> (8 << size);
  writeRegister(RAX, size, low);
  writeRegister(RDX, size, high);
  setProductFlags(low, size, high != 0);
}

export function imul(u: usize): void {
  const size = sizeOf(u);
  const a = signedOf(readRegister(RAX, size), size);
  const b = signedOf(readTarget(u, size), size);
  const low = <u64>(a * b);
  const high = size == 3 ? multiplyHighSigned(<u64>a, <u64>b) : <u64>(<i64>low >> (8 << size));
  writeRegister(RAX, size, low);
  writeRegister(RDX, size, high);
  const extended = size == 3 ? <u64>(<i64>low >> 63) : <u64>(signedOf(low, size) >> 63);
  setProductFlags(low, size, (high & sizeMask(size)) != (extended & sizeMask(size)));
}

export function div8(u: usize): void {
  const divisor = readTarget(u, 0);
  const dividend = <u64>load<u16>(cpu + RAX);
  if (divisor == 0 || dividend / divisor > 0xff) raise(DE);
  store<u16>(cpu + RAX, <u16>(dividend / divisor | ((dividend % divisor) << 8)));
}

export function idiv8(u: usize): void {
  const divisor = signedOf(readTarget(u, 0), 0);
  const dividend = <i64>load<i16>(cpu + RAX);
  if (divisor == 0) raise(DE);
  const quotient = dividend / divisor;
  if (quotient != <i64>(<i8>quotient)) raise(DE);
  store<u16>(cpu + RAX, <u16>((quotient & 0xff) | ((dividend % divisor) << 8)));
}

// Remainder of the last `divide128`.
let remainder: u64 = 0;

/** (high:low) / divisor for high < divisor, bit by bit; the remainder is left in `remainder`. */
function divide128(high: u64, low: u64, divisor: u64): u64 {
  if (high == 0) {
    remainder = low % divisor;
    return low / divisor;
  }
  let rest = high;
  let quotient: u64 = 0;
  for (let bit: i32 = 63; bit >= 0; bit--) {
    const carry = rest >> 63;
    rest = (rest << 1) | ((low >> <u64>bit) & 1);
    if (carry != 0 || rest >= divisor) {
      rest -= divisor;
      quotient |= <u64>1 << <u64>bit;
    }
  }
  remainder = rest;
  return quotient;
}

export function div(u: usize): void {
  const size = sizeOf(u);
  const divisor = readTarget(u, size);
  if (divisor == 0) raise(DE);
  const high = readRegister(RDX, size);
  const low = readRegister(RAX, size);
  if (high >= divisor) raise(DE);
  if (size == 3) {
    const quotient = divide128(high, low, divisor);
    store<u64>(cpu + RAX, quotient);
    store<u64>(cpu + RDX, remainder);
    return;
  }
  const dividend = (high << (8 << size)) | low;
  writeRegister(RAX, size, dividend / divisor);
  writeRegister(RDX, size, dividend % divisor);
}

export function idiv(u: usize): void {
  const size = sizeOf(u);
  const divisor = signedOf(readTarget(u, size), size);
  if (divisor == 0) raise(DE);
  if (size == 3) {
    idiv128(divisor);
    return;
  }
  const bits: u64 = 8 << size;
  const wide = (readRegister(RDX, size) << bits) | readRegister(RAX, size);
  const dividend = size == 2 ? <i64>wide : <i64>(<i32>wide);
  if (divisor == -1 && dividend == i64.MIN_VALUE) raise(DE);
  const quotient = dividend / divisor;
  if (quotient != signedOf(<u64>quotient, size)) raise(DE);
  writeRegister(RAX, size, <u64>quotient);
  writeRegister(RDX, size, <u64>(dividend % divisor));
}

function idiv128(divisor: i64): void {
  let high = load<u64>(cpu + RDX);
  let low = load<u64>(cpu + RAX);
  const negative = <i64>high < 0;
  if (negative) {
    low = 0 - low;
    high = ~high + u64(low == 0);
  }
  const magnitude: u64 = divisor < 0 ? <u64>(0 - divisor) : <u64>divisor;
  if (high >= magnitude) raise(DE);
  const quotient = divide128(high, low, magnitude);
  const opposite = negative != divisor < 0;
  // The largest magnitude is 2^63, and only for a negative quotient.
  if (quotient > (opposite ? <u64>0x8000000000000000 : <u64>0x7fffffffffffffff)) raise(DE);
  store<u64>(cpu + RAX, opposite ? 0 - quotient : quotient);
  store<u64>(cpu + RDX, negative ? 0 - remainder : remainder);
}

// Exchange and compare. Without a LOCK prefix other processors may come between the read and the write.

function exchangeAdd(u: usize, size: u32): void {
  const source = readRegister(load<u16>(u, OPERAND), size);
  const memory = inMemory(u);
  const address = memory ? ea(u) : 0;
  let old: u64;
  let sum: u64;
  do {
    old = memory ? readForExchange(u, address, size) : readRegister(load<u16>(u, TARGET), size);
    sum = old + source;
  } while (memory && !exchangeMemory(u, address, size, old, sum));
  // With both operands the same register, the sum stays.
  writeRegister(load<u16>(u, OPERAND), size, old);
  if (!memory) writeRegister(load<u16>(u, TARGET), size, sum);
  setAddFlags(old, source, sum, size);
}

function setAddFlags(a: u64, b: u64, sum: u64, size: u32): void {
  const carries = (a & b) | ((a | b) & ~sum);
  store<i64>(cpu + FLAGS_RESULT, signedOf(sum, size));
  store<u32>(cpu + FLAGS_AUX, (<u32>carries & 8) | ((<u32>(carries >> ((8 << size) - 2)) & 3) << 30));
}

/** Flags of a - b. */
export function setCompareFlags(a: u64, b: u64, size: u32): void {
  const difference = a - b;
  const borrows = (~a & b) | ((~a | b) & difference);
  store<i64>(cpu + FLAGS_RESULT, signedOf(difference, size));
  store<u32>(cpu + FLAGS_AUX, (<u32>borrows & 8) | ((<u32>(borrows >> ((8 << size) - 2)) & 3) << 30));
}

export function xadd8(u: usize): void {
  exchangeAdd(u, 0);
}

export function xadd(u: usize): void {
  exchangeAdd(u, sizeOf(u));
}

function compareExchange(u: usize, size: u32): void {
  const memory = inMemory(u);
  const address = memory ? ea(u) : 0;
  const expected = readRegister(RAX, size);
  let old: u64;
  let equal: bool;
  let value: u64;
  // The destination is written in either case, but a 32-bit register's upper half is only cleared when it takes the
  // value.
  do {
    old = memory ? readForExchange(u, address, size) : readRegister(load<u16>(u, TARGET), size);
    equal = old == expected;
    value = equal ? readRegister(load<u16>(u, OPERAND), size) : old;
  } while (memory && !exchangeMemory(u, address, size, old, value));
  if (!memory && equal) writeRegister(load<u16>(u, TARGET), size, value);
  if (!equal) writeRegister(RAX, size, old);
  setCompareFlags(expected, old, size);
}

export function cmpxchg8(u: usize): void {
  compareExchange(u, 0);
}

export function cmpxchg(u: usize): void {
  compareExchange(u, sizeOf(u));
}

function setZero(value: bool): void {
  setArithmeticFlags((arithmeticFlags() & ~ZF) | (value ? ZF : 0));
}

export function cmpxchg8b(u: usize): void {
  const address = ea(u);
  const expected = (readRegister(RDX, 2) << 32) | readRegister(RAX, 2);
  let old: u64;
  let equal: bool;
  do {
    old = readForExchange(u, address, 3);
    equal = old == expected;
  } while (!exchangeMemory(u, address, 3, old, equal ? (readRegister(RCX, 2) << 32) | readRegister(RBX, 2) : old));
  if (!equal) {
    writeRegister(RAX, 2, old);
    writeRegister(RDX, 2, old >> 32);
  }
  setZero(equal);
}

export function cmpxchg16b(u: usize): void {
  const address = ea(u);
  if ((address & 15) != 0) raiseError(GP, 0);
  probeWrite(address, 16);
  const host = isLocked(u) ? lockedPlace(address) : 0;
  if (host != 0) {
    lockedExchange16(host);
    return;
  }
  const low = read64(address);
  const high = read64(address + 8);
  const equal = low == load<u64>(cpu + RAX) && high == load<u64>(cpu + RDX);
  write64(address, equal ? load<u64>(cpu + RBX) : low);
  write64(address + 8, equal ? load<u64>(cpu + RCX) : high);
  if (!equal) {
    store<u64>(cpu + RAX, low);
    store<u64>(cpu + RDX, high);
  }
  setZero(equal);
}

/**
 * The host has no atomic instruction of 16 bytes. Such exchanges take turns among themselves, and each half is
 * exchanged atomically, so that locked instructions on one half are not lost. Between the two other processors may see
 * the new low half with the old high half; a 16-byte exchange, which is how such a pair is used, never does.
 */
function lockedExchange16(host: usize): void {
  const expectedLow = load<u64>(cpu + RAX);
  const expectedHigh = load<u64>(cpu + RDX);
  const newLow = load<u64>(cpu + RBX);
  lockExchange(host);
  let low: u64;
  let high: u64;
  let equal: bool;
  while (true) {
    high = atomic.load<u64>(host + 8);
    low = atomic.load<u64>(host);
    equal = low == expectedLow && high == expectedHigh;
    if (!equal) break;
    if (atomic.cmpxchg<u64>(host, low, newLow) != low) continue;
    if (atomic.cmpxchg<u64>(host + 8, high, load<u64>(cpu + RCX)) == high) break;
    // The high half has changed meanwhile: take the low half back, unless that has changed too.
    atomic.cmpxchg<u64>(host, newLow, low);
  }
  unlockExchange(host);
  if (equal) {
    if (hasCode(host)) codeWritten(host, 16);
  } else {
    store<u64>(cpu + RAX, low);
    store<u64>(cpu + RDX, high);
  }
  setZero(equal);
}

/** xorshift64*, seeded by the host: the guest mixes it with more; whoever needs true randomness asks the host. */
export function rdrand(u: usize): void {
  let x = load<u64>(cpu + RANDOM);
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  store<u64>(cpu + RANDOM, x);
  writeRegister(load<u16>(u, TARGET), sizeOf(u), x * 0x2545f4914f6cdd1d);
  setArithmeticFlags(CF);
}

// Decimal adjustment, outside 64-bit mode.

function adjustFlags(al: u32, flags: u32): void {
  let value = flags;
  if ((al & 0xff) == 0) value |= ZF;
  if ((al & 0x80) != 0) value |= SF;
  if ((popcnt<u32>(al & 0xff) & 1) == 0) value |= PF;
  setArithmeticFlags(value);
}

export function daa(u: usize): void {
  const old: u32 = load<u8>(cpu + RAX);
  const flags = arithmeticFlags();
  let al = old;
  let result: u32 = 0;
  if ((old & 15) > 9 || (flags & AF) != 0) {
    al += 6;
    result |= AF;
  }
  if (old > 0x99 || (flags & CF) != 0) {
    al += 0x60;
    result |= CF;
  }
  store<u8>(cpu + RAX, <u8>al);
  adjustFlags(al, result);
}

export function das(u: usize): void {
  const old: u32 = load<u8>(cpu + RAX);
  const flags = arithmeticFlags();
  let al = old;
  let result: u32 = 0;
  if ((old & 15) > 9 || (flags & AF) != 0) {
    if (old < 6) result |= CF;
    al -= 6;
    result |= AF;
  }
  if (old > 0x99 || (flags & CF) != 0) {
    al -= 0x60;
    result |= CF;
  }
  store<u8>(cpu + RAX, <u8>al);
  adjustFlags(al, result);
}

export function aaa(u: usize): void {
  const adjust = (load<u8>(cpu + RAX) & 15) > 9 || (arithmeticFlags() & AF) != 0;
  if (adjust) store<u16>(cpu + RAX, load<u16>(cpu + RAX) + 0x106);
  store<u8>(cpu + RAX, load<u8>(cpu + RAX) & 15);
  adjustFlags(load<u8>(cpu + RAX), adjust ? AF | CF : 0);
}

export function aas(u: usize): void {
  const adjust = (load<u8>(cpu + RAX) & 15) > 9 || (arithmeticFlags() & AF) != 0;
  if (adjust) store<u16>(cpu + RAX, load<u16>(cpu + RAX) - 0x106);
  store<u8>(cpu + RAX, load<u8>(cpu + RAX) & 15);
  adjustFlags(load<u8>(cpu + RAX), adjust ? AF | CF : 0);
}

export function aam(u: usize): void {
  const by: u32 = load<u8>(u, IMMEDIATE);
  if (by == 0) raise(DE);
  const al: u32 = load<u8>(cpu + RAX);
  store<u16>(cpu + RAX, <u16>(((al / by) << 8) | (al % by)));
  adjustFlags(al % by, 0);
}

export function aad(u: usize): void {
  const by: u32 = load<u8>(u, IMMEDIATE);
  const ax: u32 = load<u16>(cpu + RAX);
  const al = ((ax & 0xff) + (ax >> 8) * by) & 0xff;
  store<u16>(cpu + RAX, <u16>al);
  adjustFlags(al, 0);
}

export function salc(u: usize): void {
  store<u8>(cpu + RAX, (arithmeticFlags() & CF) != 0 ? 0xff : 0);
}

export function sahf(u: usize): void {
  setArithmeticFlags((arithmeticFlags() & OF) | (<u32>load<u8>(cpu + RAX, 1) & (SF | ZF | AF | PF | CF)));
}

export function lahf(u: usize): void {
  store<u8>(cpu + RAX, <u8>((arithmeticFlags() & (SF | ZF | AF | PF | CF)) | 2), 1);
}
