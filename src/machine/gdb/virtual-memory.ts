/**
 * Guest memory by virtual address, as a processor's page tables map it now [Intel SDM 3A, chapter 4]: for a debugger,
 * so no permission is looked at and no accessed bit is set. No paging, 32-bit, PAE and 4-level tables. The tables are
 * the guest's: whatever they hold, a walk ends.
 */

import { ENGINE_MSRS, type ProcessorState } from '../../hypervisor/engine-port.ts';
import type { GuestMemory } from '../../hypervisor/guest-memory.ts';

const PAGE = 4096;
const PAGING = 0x8000_0000n;
const PSE = 0x10n;
const PAE = 0x20n;
const LONG_MODE_ACTIVE = 0x400n;
const PRESENT = 1n;
const LARGE = 0x80n;
const ADDRESS = 0x000f_ffff_ffff_f000n;

export class VirtualMemory {
  readonly #memory: GuestMemory;
  readonly #state: ProcessorState;

  constructor(memory: GuestMemory, state: ProcessorState) {
    this.#memory = memory;
    this.#state = state;
  }

  /** As many bytes from `address` on as are mapped to RAM, at most `length`. */
  read(address: bigint, length: number): Buffer {
    const parts: Uint8Array[] = [];
    this.#forEachPart(address, length, (physical, count) => {
      const part = this.#memory.read(physical, count);
      if (part !== undefined) parts.push(part);
      return part !== undefined;
    });
    return Buffer.concat(parts);
  }

  /** False when not all of it is mapped to RAM; then what lies before that is written. */
  write(address: bigint, data: Uint8Array): boolean {
    let at = 0;
    this.#forEachPart(address, data.length, (physical, count) => {
      const written = this.#memory.write(physical, data.subarray(at, at + count));
      if (written) at += count;
      return written;
    });
    return at === data.length;
  }

  /** Guest-physical address, or undefined where nothing is mapped. */
  translate(address: bigint): number | undefined {
    const { cr0, cr3, cr4 } = this.#state;
    if ((cr0 & PAGING) === 0n) return Number(address & 0xffff_ffffn);
    const long = (this.#msr(ENGINE_MSRS.IA32_EFER) & LONG_MODE_ACTIVE) !== 0n;
    if ((cr4 & PAE) === 0n) return this.#walkNarrow(address & 0xffff_ffffn, (cr4 & PSE) !== 0n);
    return this.#walkWide(long ? address : address & 0xffff_ffffn, long, cr3 & (long ? ADDRESS : 0xffff_ffe0n));
  }

  #forEachPart(address: bigint, length: number, act: (physical: number, count: number) => boolean): void {
    for (let at = 0; at < length;) {
      const linear = BigInt.asUintN(64, address + BigInt(at));
      const count = Math.min(length - at, PAGE - Number(linear % BigInt(PAGE)));
      const physical = this.translate(linear);
      if (physical === undefined || !act(physical, count)) return;
      at += count;
    }
  }

  #walkWide(address: bigint, long: boolean, root: bigint): number | undefined {
    let table = root;
    for (let level = long ? 3n : 2n; level >= 0n; level--) {
      const shift = 12n + level * 9n;
      const index = (address >> shift) & (!long && level === 2n ? 3n : 511n);
      const entry = this.#entry(table + index * 8n, 8);
      if (entry === undefined || (entry & PRESENT) === 0n) return undefined;
      const large = level > 0n && (entry & LARGE) !== 0n && (long || level === 1n);
      if (level === 0n || large) {
        const offsetMask = (1n << shift) - 1n;
        return Number((entry & ADDRESS & ~offsetMask) | (address & offsetMask));
      }
      table = entry & ADDRESS;
    }
    return undefined;
  }

  #walkNarrow(address: bigint, pse: boolean): number | undefined {
    const directory = this.#entry((this.#state.cr3 & 0xffff_f000n) + (address >> 22n) * 4n, 4);
    if (directory === undefined || (directory & PRESENT) === 0n) return undefined;
    if (pse && (directory & LARGE) !== 0n) {
      // Bits 39:32 of a 4 MiB page lie in bits 20:13 of its entry.
      const high = ((directory >> 13n) & 0xffn) << 32n;
      return Number(high | (directory & 0xffc0_0000n) | (address & 0x3f_ffffn));
    }
    const entry = this.#entry((directory & 0xffff_f000n) + ((address >> 12n) & 1023n) * 4n, 4);
    if (entry === undefined || (entry & PRESENT) === 0n) return undefined;
    return Number((entry & 0xffff_f000n) | (address & 0xfffn));
  }

  #entry(physical: bigint, size: 4 | 8): bigint | undefined {
    const bytes = this.#memory.read(Number(physical), size);
    if (bytes === undefined) return undefined;
    const view = new DataView(bytes.buffer);
    return size === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
  }

  #msr(index: number): bigint {
    return this.#state.msrs.find(([number]) => number === index)?.[1] ?? 0n;
  }
}
