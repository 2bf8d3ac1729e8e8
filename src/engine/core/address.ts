// Effective addresses. Hot path: the 64-bit form without masks is four loads and three additions.

import {
  ADDRESS, ATTRIBUTES, BASE, BASE_REGISTER, CS, DISPLACEMENT, FORM, FORM_ADDRESS_SHIFT, IMMEDIATE, INDEX_REGISTER,
  LIMIT, MODE, MODE_64, SCALE,
  SEGMENT, SEGMENTS, SEGMENT_BASE, SEGMENT_SIZE, SS,
} from "./layout";
import { cpu, GP, raiseError, STACK_FAULT } from "./cpu";

/** Linear address of the record's memory operand. Raises #GP or #SS for a segment that does not allow it. */
// @ts-ignore: decorator
@inline
export function ea(u: usize): u64 {
  if (load<u8>(u, ADDRESS) == PLAIN) return plainOffset(u) + load<u64>(cpu + load<u16>(u, SEGMENT_BASE));
  return slowAddress(u);
}

/** ADDRESS of the 64-bit form without masks. */
export const PLAIN: u8 = 1;

/** Of that form, without the segment's base. */
// @ts-ignore: decorator
@inline
export function plainOffset(u: usize, c: usize = cpu): u64 {
  return load<u64>(c + load<u16>(u, BASE_REGISTER))
    + (load<u64>(c + load<u16>(u, INDEX_REGISTER)) << <u64>load<u8>(u, SCALE)) + <i64>load<i32>(u, DISPLACEMENT);
}

/** Offset of the operand in its segment: what LEA gives. */
export function effectiveAddress(u: usize): u64 {
  if (load<u8>(u, ADDRESS) == 3) return (<u64>load<u32>(u, IMMEDIATE) << 32) | <u64>load<u32>(u, DISPLACEMENT);
  const offset = load<u64>(cpu + load<u16>(u, BASE_REGISTER))
    + (load<u64>(cpu + load<u16>(u, INDEX_REGISTER)) << <u64>load<u8>(u, SCALE))
    + <i64>load<i32>(u, DISPLACEMENT);
  return offset & addressMask(u);
}

/** Mask of the address size: 16, 32 or 64 bits. */
export function addressMask(u: usize): u64 {
  const size = (<u32>load<u8>(u, FORM) >> FORM_ADDRESS_SHIFT) & 3;
  return size == 0 ? 0xffff : size == 1 ? 0xffffffff : ~0;
}

function slowAddress(u: usize): u64 {
  const offset = effectiveAddress(u);
  if (load<u32>(cpu + MODE) == MODE_64) return offset + load<u64>(cpu + load<u16>(u, SEGMENT_BASE));
  // The operand's size is not known here: its first byte is checked, wider ones at a limit below 4 GiB by the caller's
  // page.
  return linearAddress(load<u8>(u, SEGMENT), offset, 1, load<u8>(u, ADDRESS) == 4);
}

/** Linear address of `size` bytes at `offset` of a segment outside 64-bit mode; checks limit, type and presence. */
export function linearAddress(segment: u32, offset: u64, size: u32, write: bool): u64 {
  const at = cpu + SEGMENTS + segment * SEGMENT_SIZE;
  if (load<u32>(cpu + MODE) == MODE_64) return offset + (segment >= 4 ? load<u64>(at, BASE) : 0);
  const attributes = load<u32>(at, ATTRIBUTES);
  const limit = <u64>load<u32>(at, LIMIT);
  const last = offset + size - 1;
  // Expand-down data segments: valid above the limit.
  const expandDown = (attributes & 0x1c) == 0x14;
  const top: u64 = (attributes & 0x4000) != 0 ? 0xffffffff : 0xffff;
  // With a limit of 4 GiB - 1 accesses wrap around.
  const outside = expandDown ? offset <= limit || last > top : last > limit && limit != 0xffffffff;
  const unusable = (attributes & 0x10000) != 0;
  const readOnly = write && (attributes & 0x1a) != 0x12;
  if (outside || unusable || readOnly) raiseError(segment == SS ? STACK_FAULT : GP, 0);
  return (offset + load<u64>(at, BASE)) & 0xffffffff;
}
