/**
 * The processor's own model-specific registers, less those that the engine keeps and the local APIC's [Intel SDM 4;
 * AMD PPR for family 17h]. Beyond the architectural ones there are those that Linux reads on an AMD processor without
 * expecting a fault. Every other register faults, as it would on a processor that lacks it.
 */
import type { ControlBuffer } from './control-buffer.ts';
import type { LocalApic } from './local-apic.ts';
import { MTRR_CAPABILITY, Mtrrs } from './mtrrs.ts';
import { VpRegisters } from './partition-layout.ts';
import type { ReferenceTime } from './reference-time.ts';

export const Msr = {
  IA32_TSC: 0x10,
  IA32_APIC_BASE: 0x1b,
  IA32_BIOS_SIGN_ID: 0x8b,
  IA32_MTRRCAP: 0xfe,
  IA32_MCG_CAP: 0x179,
  IA32_MCG_STATUS: 0x17a,
  IA32_MISC_ENABLE: 0x1a0,
  IA32_DEBUGCTL: 0x1d9,
  IA32_PAT: 0x277,
  AMD_SYSCFG: 0xc001_0010,
  AMD_HWCR: 0xc001_0015,
  AMD_TOP_MEM: 0xc001_001a,
  AMD_TOP_MEM2: 0xc001_001d,
  AMD_NB_CFG: 0xc001_001f,
  AMD_PATCH_LOADER: 0xc001_0020,
  AMD_INT_PENDING: 0xc001_0055,
  AMD_MMIO_CONF_BASE: 0xc001_0058,
  AMD_DE_CFG: 0xc001_1029,
} as const;

const TSC_OFFSET = VpRegisters.tscOffsetNs.offset >> 3;
const TWO_TO_32 = 0x1_0000_0000;

/** Registers that keep what is written and mean nothing to us, by the word where they lie. */
const KEPT: ReadonlyMap<number, number> = new Map([
  [Msr.IA32_MISC_ENABLE, VpRegisters.miscEnable.offset >> 2],
  [Msr.IA32_MCG_STATUS, VpRegisters.mcgStatus.offset >> 2],
  [Msr.AMD_SYSCFG, VpRegisters.amdSyscfg.offset >> 2],
  [Msr.AMD_HWCR, VpRegisters.amdHwcr.offset >> 2],
  [Msr.AMD_NB_CFG, VpRegisters.amdNbCfg.offset >> 2],
  [Msr.AMD_DE_CFG, VpRegisters.amdDeCfg.offset >> 2],
]);

/**
 * Registers with one value: no machine-check banks, no microcode revision, no debug control bits, no DRAM registers or
 * configuration space of a northbridge. Writing anything else to them faults.
 */
const CONSTANT: ReadonlyMap<number, number> = new Map([
  [Msr.IA32_BIOS_SIGN_ID, 0],
  [Msr.IA32_MTRRCAP, MTRR_CAPABILITY],
  [Msr.IA32_MCG_CAP, 0],
  [Msr.IA32_DEBUGCTL, 0],
  [Msr.AMD_TOP_MEM, 0],
  [Msr.AMD_TOP_MEM2, 0],
  [Msr.AMD_INT_PENDING, 0],
  [Msr.AMD_MMIO_CONF_BASE, 0],
]);
const READ_ONLY: ReadonlySet<number> = new Set([Msr.IA32_MTRRCAP, Msr.IA32_MCG_CAP]);

const PAT = VpRegisters.pat.offset >> 2;

export class ArchitecturalMsrs {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #at: number;
  readonly #time: ReferenceTime;
  readonly #apic: LocalApic;
  readonly #mtrrs: Mtrrs;

  constructor(options: { control: ControlBuffer; index: number; time: ReferenceTime; apic: LocalApic }) {
    this.#words = options.control.words;
    this.#floats = options.control.floats;
    this.#at = options.control.vpRegistersWord(options.index);
    this.#time = options.time;
    this.#apic = options.apic;
    this.#mtrrs = new Mtrrs(options);
  }

  /** The time-stamp counter with what IA32_TSC writes have added. Kept below 2^53. */
  timeStampCounter(): number {
    return this.#time.nowNs() + (this.#floats[(this.#at >> 1) + TSC_OFFSET] as number);
  }

  /** Leaves the value in data[0..1]; false means #GP. */
  read(index: number, data: Int32Array): boolean {
    if (index === Msr.IA32_TSC) {
      const tsc = this.timeStampCounter();
      data[0] = tsc >>> 0;
      data[1] = Math.floor(tsc / TWO_TO_32);
      return true;
    }
    if (index === Msr.IA32_APIC_BASE) {
      this.#apic.readBase(data);
      return true;
    }
    if (this.#mtrrs.covers(index)) {
      this.#mtrrs.read(index, data);
      return true;
    }
    const kept = index === Msr.IA32_PAT ? PAT : KEPT.get(index);
    if (kept !== undefined) {
      data[0] = this.#words[this.#at + kept] as number;
      data[1] = this.#words[this.#at + kept + 1] as number;
      return true;
    }
    const constant = CONSTANT.get(index);
    if (constant === undefined) return false;
    data[0] = constant;
    data[1] = 0;
    return true;
  }

  /** Takes the value from data[0..1]; false means #GP. */
  write(index: number, data: Int32Array): boolean {
    const low = data[0] as number;
    const high = data[1] as number;
    if (index === Msr.IA32_TSC) return this.#writeTsc(low, high);
    if (index === Msr.IA32_APIC_BASE) return this.#apic.writeBase(low, high);
    if (index === Msr.AMD_PATCH_LOADER) return true; // there is no microcode to patch
    if (this.#mtrrs.covers(index)) return this.#mtrrs.write(index, data);
    if (index === Msr.IA32_PAT && !(isPat(low) && isPat(high))) return false;
    const kept = index === Msr.IA32_PAT ? PAT : KEPT.get(index);
    if (kept === undefined) return CONSTANT.get(index) === low && high === 0 && !READ_ONLY.has(index);
    this.#words[this.#at + kept] = low;
    this.#words[this.#at + kept + 1] = high;
    return true;
  }

  /** The counter goes on from the value modulo 2^52: years of room in a double, and never negative. */
  #writeTsc(low: number, high: number): boolean {
    const value = (high & 0x000f_ffff) * TWO_TO_32 + (low >>> 0);
    this.#floats[(this.#at >> 1) + TSC_OFFSET] = value - this.#time.nowNs();
    return true;
  }
}

/** Four page attributes in a word: each one of UC, WC, WT, WP, WB, UC-. */
function isPat(word: number): boolean {
  for (let shift = 0; shift < 32; shift += 8) {
    const type = (word >>> shift) & 0xff;
    if (type > 7 || type === 2 || type === 3) return false;
  }
  return true;
}
