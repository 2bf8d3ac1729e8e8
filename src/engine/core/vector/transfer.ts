// Transfers between single elements and registers [SDM vol. 2: PINSR*, PEXTR*, PMOVMSKB]. Elements in memory have
// their own size; a general register receives an element zero-extended to 64 bits.

import { low } from "./lanes";

export function pinsrb(d: usize, s: usize, i: i32): void { store<u8>(d + (i & 15), load<u8>(s)); }
export function pextrb(d: usize, s: usize, i: i32): void { store<u64>(d, load<u8>(s + (i & 15))); }
export function pextrbMemory(d: usize, s: usize, i: i32): void { store<u8>(d, load<u8>(s + (i & 15))); }
export function pinsrw(d: usize, s: usize, i: i32): void { store<u16>(d + ((i & 7) << 1), load<u16>(s)); }
export function pinsrwMmx(d: usize, s: usize, i: i32): void { store<u16>(d + ((i & 3) << 1), load<u16>(s)); }
export function pextrw(d: usize, s: usize, i: i32): void { store<u64>(d, load<u16>(s + ((i & 7) << 1))); }
export function pextrwMmx(d: usize, s: usize, i: i32): void { store<u64>(d, load<u16>(s + ((i & 3) << 1))); }
export function pextrwMemory(d: usize, s: usize, i: i32): void { store<u16>(d, load<u16>(s + ((i & 7) << 1))); }
export function pinsrd(d: usize, s: usize, i: i32): void { store<u32>(d + ((i & 3) << 2), load<u32>(s)); }
export function pextrd(d: usize, s: usize, i: i32): void { store<u64>(d, load<u32>(s + ((i & 3) << 2))); }
export function pextrdMemory(d: usize, s: usize, i: i32): void { store<u32>(d, load<u32>(s + ((i & 3) << 2))); }
export function pinsrq(d: usize, s: usize, i: i32): void { store<u64>(d + ((i & 1) << 3), load<u64>(s)); }
export function pextrq(d: usize, s: usize, i: i32): void { store<u64>(d, load<u64>(s + ((i & 1) << 3))); }

export function pmovmskb(d: usize, s: usize, i: i32): void { store<u64>(d, u32(i8x16.bitmask(v128.load(s)))); }
export function pmovmskbMmx(d: usize, s: usize, i: i32): void { store<u64>(d, u32(i8x16.bitmask(low(s)))); }
