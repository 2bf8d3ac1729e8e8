/**
 * Model-specific registers that the engine doesn't keep: which part answers an index. An index that nobody has faults.
 */
import type { ArchitecturalMsrs } from './architectural-msrs.ts';
import type { HypervMsrs } from './hyperv-msrs.ts';
import type { LocalApic } from './local-apic.ts';

const X2APIC_FIRST = 0x800;
const X2APIC_LAST = 0x83f;
const HYPERVISOR_HIGH_HALF = 0x4000;

export class Msrs {
  readonly #apic: LocalApic;
  readonly #hyperv: HypervMsrs;
  readonly #architectural: ArchitecturalMsrs;

  constructor(options: { apic: LocalApic; hyperv: HypervMsrs; architectural: ArchitecturalMsrs }) {
    this.#apic = options.apic;
    this.#hyperv = options.hyperv;
    this.#architectural = options.architectural;
  }

  /** Leaves the value in data[0..1]; false means #GP. */
  read(index: number, data: Int32Array): boolean {
    const msr = index >>> 0;
    if (msr >>> 16 === HYPERVISOR_HIGH_HALF) return this.#hyperv.read(msr, data);
    if (msr >= X2APIC_FIRST && msr <= X2APIC_LAST) return this.#apic.readMsr(msr - X2APIC_FIRST, data);
    return this.#architectural.read(msr, data);
  }

  /** Takes the value from data[0..1]; false means #GP. */
  write(index: number, data: Int32Array): boolean {
    const msr = index >>> 0;
    if (msr >= X2APIC_FIRST && msr <= X2APIC_LAST) return this.#apic.writeMsr(msr - X2APIC_FIRST, data);
    if (msr >>> 16 === HYPERVISOR_HIGH_HALF) return this.#hyperv.write(msr, data);
    return this.#architectural.write(msr, data);
  }
}
