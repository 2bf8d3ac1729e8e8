// VMASKMOV, VPMASKMOV and gathers [SDM vol. 2]: elements whose mask has its top bit clear are not touched in memory.

import {
  AC, BASE_REGISTER, DESTINATION, DISPLACEMENT, INDEX_REGISTER, MODE, MODE_64, OPERAND, RFLAGS, SCALE, SEGMENT, TARGET,
  THIRD, WIDE, WIDE_LENGTH, XMM, ZERO,
} from "../layout";
import { cpu, raise, UD } from "../cpu";
import { addressMask, ea, linearAddress } from "../address";
import { checkCanonical, probeWrite, read32, read64, read8, writeBytes } from "../memory";
import { checkAvx } from "../fpu-state";

// @ts-ignore: decorator
@inline
function vectorBytes(u: usize): usize {
  return (load<u8>(u, WIDE) & WIDE_LENGTH) == 2 ? 32 : 16;
}

/** Stores the result at DESTINATION into the target, beyond `bytes` zeros. */
function finish(u: usize, bytes: usize): void {
  const target = cpu + load<u16>(u, TARGET);
  v128.store(target, v128.load(cpu + DESTINATION));
  v128.store(target, bytes == 32 ? v128.load(cpu + DESTINATION, 16) : i64x2.splat(0), 16);
}

/** Elements need no alignment, whatever is checked. */
function readElement(address: u64, size: usize): u64 {
  if ((load<u32>(cpu + RFLAGS) & AC) == 0) return size == 4 ? read32(address) : read64(address);
  let value: u64 = 0;
  for (let n: usize = 0; n < size; n++) value |= read8(address + n) << (n << 3);
  return value;
}

function probeElement(address: u64, size: usize): void {
  if ((load<u32>(cpu + RFLAGS) & AC) == 0) probeWrite(address, <u32>size);
  else for (let n: usize = 0; n < size; n++) probeWrite(address + n, 1);
}

function writeElement(address: u64, from: usize, size: usize): void {
  if ((load<u32>(cpu + RFLAGS) & AC) == 0) writeBytes(address, from, <u32>size);
  else for (let n: usize = 0; n < size; n++) writeBytes(address + n, from + n, 1);
}

// @ts-ignore: decorator
@inline
function isChosen(mask: usize, at: usize, size: usize): bool {
  return (load<u8>(mask + at + size - 1) & 0x80) != 0;
}

/** Where none is, nothing is accessed, and no address is wrong. */
function anyChosen(mask: usize, bytes: usize, size: usize): bool {
  for (let n: usize = 0; n < bytes; n += size) if (isChosen(mask, n, size)) return true;
  return false;
}

/** All elements that are accessed must be canonical, before pages are looked at. */
function checkElements(address: u64, mask: usize, bytes: usize, size: usize): void {
  if (load<u32>(cpu + MODE) != MODE_64) return;
  for (let n: usize = 0; n < bytes; n += size) {
    if (!isChosen(mask, n, size)) continue;
    checkCanonical(address + n);
    checkCanonical(address + n + size - 1);
  }
}

function loadMasked(u: usize, size: usize): void {
  checkAvx();
  const mask = cpu + load<u16>(u, THIRD);
  const bytes = vectorBytes(u);
  const address = anyChosen(mask, bytes, size) ? ea(u) : 0;
  checkElements(address, mask, bytes, size);
  const t = cpu + DESTINATION;
  for (let n: usize = 0; n < bytes; n += size) {
    const chosen = isChosen(mask, n, size);
    if (size == 4) store<u32>(t + n, chosen ? <u32>readElement(address + n, 4) : 0);
    else store<u64>(t + n, chosen ? readElement(address + n, 8) : 0);
  }
  finish(u, bytes);
}

function storeMasked(u: usize, size: usize): void {
  checkAvx();
  const mask = cpu + load<u16>(u, THIRD);
  const from = cpu + load<u16>(u, OPERAND);
  const bytes = vectorBytes(u);
  if (!anyChosen(mask, bytes, size)) return;
  const address = ea(u);
  checkElements(address, mask, bytes, size);
  for (let n: usize = 0; n < bytes; n += size) {
    if (isChosen(mask, n, size)) probeElement(address + n, size);
  }
  for (let n: usize = 0; n < bytes; n += size) {
    if (!isChosen(mask, n, size)) continue;
    writeElement(address + n, from + n, size);
  }
}

export function vmaskload32(u: usize): void { loadMasked(u, 4); }
export function vmaskload64(u: usize): void { loadMasked(u, 8); }
export function vmaskstore32(u: usize): void { storeMasked(u, 4); }
export function vmaskstore64(u: usize): void { storeMasked(u, 8); }

/** Linear address of the element whose index is given. */
function elementAddress(u: usize, index: i64): u64 {
  const offset = load<u64>(cpu + load<u16>(u, BASE_REGISTER)) + (<u64>index << <u64>load<u8>(u, SCALE))
    + <i64>load<i32>(u, DISPLACEMENT);
  return linearAddress(load<u8>(u, SEGMENT), offset & addressMask(u), 1, false);
}

/**
 * Gathers elements of `size` bytes by indices of `indexSize`. An element that was loaded loses its mask at once, so
 * that after a fault the instruction goes on with the others.
 */
function gather(u: usize, size: usize, indexSize: usize): void {
  checkAvx();
  const target: usize = load<u16>(u, TARGET);
  const mask: usize = load<u16>(u, THIRD);
  // What an address without an index has there is register 4, which here is one.
  const number: usize = load<u16>(u, INDEX_REGISTER);
  const index = XMM + ((number == ZERO ? 4 : number >> 3) << 5);
  if (target == mask || target == index || mask == index) raise(UD);
  const bytes = vectorBytes(u);
  const count = size > indexSize ? bytes / size : bytes / indexSize;
  for (let n: usize = 0; n < count; n++) {
    const at = n * size;
    if (isChosen(cpu + mask, at, size)) {
      const place = cpu + index + n * indexSize;
      const address = elementAddress(u, indexSize == 4 ? <i64>load<i32>(place) : load<i64>(place));
      if (size == 4) store<u32>(cpu + target + at, <u32>readElement(address, 4));
      else store<u64>(cpu + target + at, readElement(address, 8));
    }
    if (size == 4) store<u32>(cpu + mask + at, 0);
    else store<u64>(cpu + mask + at, 0);
  }
  memory.fill(cpu + target + count * size, 0, 32 - count * size);
  memory.fill(cpu + mask, 0, 32);
}

export function vgatherdd(u: usize): void { gather(u, 4, 4); }
export function vgatherdq(u: usize): void { gather(u, 8, 4); }
export function vgatherqd(u: usize): void { gather(u, 4, 8); }
export function vgatherqq(u: usize): void { gather(u, 8, 8); }
