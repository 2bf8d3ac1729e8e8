/**
 * The hypervisor's model-specific registers and their bit fields [TLFS appendix B]. SINTn is SINT0 + n; timer n has its
 * configuration at STIMER0_CONFIG + 2n and its count at the register after it.
 */

export const HvMsr = {
  HV_X64_MSR_GUEST_OS_ID: 0x4000_0000,
  HV_X64_MSR_HYPERCALL: 0x4000_0001,
  HV_X64_MSR_VP_INDEX: 0x4000_0002,
  HV_X64_MSR_RESET: 0x4000_0003,
  HV_X64_MSR_VP_RUNTIME: 0x4000_0010,
  HV_X64_MSR_TIME_REF_COUNT: 0x4000_0020,
  HV_X64_MSR_REFERENCE_TSC: 0x4000_0021,
  HV_X64_MSR_TSC_FREQUENCY: 0x4000_0022,
  HV_X64_MSR_APIC_FREQUENCY: 0x4000_0023,
  HV_X64_MSR_EOI: 0x4000_0070,
  HV_X64_MSR_ICR: 0x4000_0071,
  HV_X64_MSR_TPR: 0x4000_0072,
  HV_X64_MSR_VP_ASSIST_PAGE: 0x4000_0073,
  HV_X64_MSR_SCONTROL: 0x4000_0080,
  HV_X64_MSR_SVERSION: 0x4000_0081,
  HV_X64_MSR_SIEFP: 0x4000_0082,
  HV_X64_MSR_SIMP: 0x4000_0083,
  HV_X64_MSR_EOM: 0x4000_0084,
  HV_X64_MSR_SINT0: 0x4000_0090,
  HV_X64_MSR_SINT15: 0x4000_009f,
  HV_X64_MSR_STIMER0_CONFIG: 0x4000_00b0,
  HV_X64_MSR_STIMER3_COUNT: 0x4000_00b7,
  HV_X64_MSR_GUEST_IDLE: 0x4000_00f0,
  HV_X64_MSR_CRASH_P0: 0x4000_0100,
  HV_X64_MSR_CRASH_P4: 0x4000_0104,
  HV_X64_MSR_CRASH_CTL: 0x4000_0105,
  HV_X64_MSR_REENLIGHTENMENT_CONTROL: 0x4000_0106,
  HV_X64_MSR_TSC_EMULATION_CONTROL: 0x4000_0107,
  HV_X64_MSR_TSC_EMULATION_STATUS: 0x4000_0108,
  HV_X64_MSR_TSC_INVARIANT_CONTROL: 0x4000_0118,
} as const;

/** HV_X64_MSR_HYPERCALL, and the enable bit that every "page" register shares (bit 0, page number from bit 12). */
export const HypercallMsr = { Enable: 1 << 0, Locked: 1 << 1 } as const;
export const PAGE_ENABLE = 1 << 0;

/** HV_X64_MSR_SINTx, low word [TLFS 11.8.4]. */
export const Sint = {
  VectorMask: 0xff,
  Masked: 1 << 16,
  AutoEoi: 1 << 17,
  Polling: 1 << 18,
  Proxy: 1 << 20,
} as const;

/** HV_X64_MSR_STIMERx_CONFIG, low word [TLFS 12.3.1]. */
export const StimerConfig = {
  Enable: 1 << 0,
  Periodic: 1 << 1,
  Lazy: 1 << 2,
  AutoEnable: 1 << 3,
  ApicVectorShift: 4,
  ApicVectorMask: 0xff,
  DirectMode: 1 << 12,
  SintShift: 16,
  SintMask: 0xf,
} as const;

/** HV_X64_MSR_CRASH_CTL, high word: bits 62 and 63. */
export const CrashControlHigh = { Message: 0x4000_0000, Notify: 0x8000_0000 } as const;

/** The version that HV_X64_MSR_SVERSION reports. */
export const SYNIC_VERSION = 1;

/** The register's name for traces, with the number of the SINT, timer or crash parameter; undefined when unknown. */
export function hvMsrName(index: number): string | undefined {
  if (index >= HvMsr.HV_X64_MSR_SINT0 && index <= HvMsr.HV_X64_MSR_SINT15) {
    return `HV_X64_MSR_SINT${index - HvMsr.HV_X64_MSR_SINT0}`;
  }
  if (index >= HvMsr.HV_X64_MSR_STIMER0_CONFIG && index <= HvMsr.HV_X64_MSR_STIMER3_COUNT) {
    const at = index - HvMsr.HV_X64_MSR_STIMER0_CONFIG;
    return `HV_X64_MSR_STIMER${at >> 1}_${(at & 1) === 0 ? 'CONFIG' : 'COUNT'}`;
  }
  if (index >= HvMsr.HV_X64_MSR_CRASH_P0 && index <= HvMsr.HV_X64_MSR_CRASH_P4) {
    return `HV_X64_MSR_CRASH_P${index - HvMsr.HV_X64_MSR_CRASH_P0}`;
  }
  for (const [name, number] of Object.entries(HvMsr)) if (number === index) return name;
  return undefined;
}
