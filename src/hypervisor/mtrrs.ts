/**
 * Memory type range registers: kept and checked as a processor does, with no effect, since guest memory is always
 * write-back here [Intel SDM 3A, 12.11].
 */
import type { ControlBuffer } from './control-buffer.ts';
import { VpRegisters } from './partition-layout.ts';

/** Eight variable ranges, fixed ranges, write-combining. */
export const MTRR_CAPABILITY = 0x508;
const FIRST_VARIABLE = 0x200;
const LAST_VARIABLE = 0x20f;
const DEFAULT_TYPE = 0x2ff;
const DEFAULT_TYPE_WRITABLE = 0xcff;
/** Bits 63:40, beyond the physical address. */
const ADDRESS_HIGH_RESERVED = 0xffff_ff00;
const MASK_VALID = 1 << 11;

const FIXED = VpRegisters.mtrrFixed.offset >> 2;
const VARIABLE = VpRegisters.mtrrVariable.offset >> 2;
const DEFAULT = VpRegisters.mtrrDefaultType.offset >> 2;

/** Position among the eleven fixed-range registers, or -1. */
function fixedPosition(index: number): number {
  if (index === 0x250) return 0;
  if (index === 0x258 || index === 0x259) return 1 + index - 0x258;
  return index >= 0x268 && index <= 0x26f ? 3 + index - 0x268 : -1;
}

/** Uncacheable, write-combining, write-through, write-protected, write-back. */
function isMemoryType(type: number): boolean {
  return type === 0 || type === 1 || (type >= 4 && type <= 6);
}

export class Mtrrs {
  readonly #words: Int32Array;
  readonly #at: number;

  constructor(options: { control: ControlBuffer; index: number }) {
    this.#words = options.control.words;
    this.#at = options.control.vpRegistersWord(options.index);
  }

  covers(index: number): boolean {
    return index === DEFAULT_TYPE || (index >= FIRST_VARIABLE && index <= LAST_VARIABLE) || fixedPosition(index) >= 0;
  }

  read(index: number, data: Int32Array): void {
    const at = this.#word(index);
    data[0] = this.#words[at] as number;
    data[1] = this.#words[at + 1] as number;
  }

  write(index: number, data: Int32Array): boolean {
    const low = data[0] as number;
    const high = data[1] as number;
    if (!isValid(index, low, high)) return false;
    const at = this.#word(index);
    this.#words[at] = low;
    this.#words[at + 1] = high;
    return true;
  }

  #word(index: number): number {
    if (index === DEFAULT_TYPE) return this.#at + DEFAULT;
    if (index <= LAST_VARIABLE) return this.#at + VARIABLE + (index - FIRST_VARIABLE) * 2;
    return this.#at + FIXED + fixedPosition(index) * 2;
  }
}

function isValid(index: number, low: number, high: number): boolean {
  if (index === DEFAULT_TYPE) return high === 0 && (low & ~DEFAULT_TYPE_WRITABLE) === 0 && isMemoryType(low & 0xff);
  if (index <= LAST_VARIABLE) {
    if ((high & ADDRESS_HIGH_RESERVED) !== 0) return false;
    const isMask = (index & 1) === 1;
    return isMask ? (low & 0xfff & ~MASK_VALID) === 0 : (low & 0xf00) === 0 && isMemoryType(low & 0xff);
  }
  for (let shift = 0; shift < 32; shift += 8) {
    if (!isMemoryType((low >>> shift) & 0xff) || !isMemoryType((high >>> shift) & 0xff)) return false;
  }
  return true;
}
