/**
 * The processor features that a guest is told of, as one table: nothing appears in CPUID that is not a row here, so the
 * engines and their tests can hold the table against what they implement. A row says from which level on it is shown;
 * what a kernel wants for protection and speed always is. [AMD APM 3, appendix E; Intel SDM 2A, CPUID]
 *
 * VME (there is no virtual-8086 mode), MONITOR, PCID, INVPCID and TSC_DEADLINE are absent on purpose.
 */

import { includesLevel, type ProcessorLevel, type ProcessorModel } from './processor-model.ts';

export type CpuidRegister = 'eax' | 'ebx' | 'ecx' | 'edx';

export interface CpuFeature {
  readonly name: string;
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: CpuidRegister;
  readonly bit: number;
  /** The lowest level that has it. */
  readonly level: ProcessorLevel;
  /** The first configuration version that shows it. */
  readonly since: number;
}

function row(name: string, leaf: number, register: CpuidRegister, bit: number, level: ProcessorLevel = 'v1',
  since = 1): CpuFeature {
  return { name, leaf, subleaf: 0, register, bit, level, since };
}

export const CPU_FEATURES: readonly CpuFeature[] = [
  row('FPU', 1, 'edx', 0),
  row('DE', 1, 'edx', 2),
  row('PSE', 1, 'edx', 3),
  row('TSC', 1, 'edx', 4),
  row('MSR', 1, 'edx', 5),
  row('PAE', 1, 'edx', 6),
  row('MCE', 1, 'edx', 7),
  row('CX8', 1, 'edx', 8),
  row('APIC', 1, 'edx', 9),
  row('SEP', 1, 'edx', 11),
  row('MTRR', 1, 'edx', 12),
  row('PGE', 1, 'edx', 13),
  row('MCA', 1, 'edx', 14),
  row('CMOV', 1, 'edx', 15),
  row('PAT', 1, 'edx', 16),
  row('PSE36', 1, 'edx', 17),
  row('CLFSH', 1, 'edx', 19),
  row('MMX', 1, 'edx', 23),
  row('FXSR', 1, 'edx', 24),
  row('SSE', 1, 'edx', 25),
  row('SSE2', 1, 'edx', 26),
  row('SSE3', 1, 'ecx', 0, 'v2'),
  row('PCLMULQDQ', 1, 'ecx', 1, 'v2', 2),
  row('SSSE3', 1, 'ecx', 9, 'v2'),
  row('FMA', 1, 'ecx', 12, 'v3', 2),
  row('CX16', 1, 'ecx', 13, 'v2'),
  row('SSE4.1', 1, 'ecx', 19, 'v2'),
  row('SSE4.2', 1, 'ecx', 20, 'v2'),
  row('X2APIC', 1, 'ecx', 21),
  row('MOVBE', 1, 'ecx', 22, 'v3', 2),
  row('POPCNT', 1, 'ecx', 23, 'v2'),
  row('AES', 1, 'ecx', 25, 'v2', 2),
  row('XSAVE', 1, 'ecx', 26), // the engine adds OSXSAVE (bit 27) while CR4.OSXSAVE is set
  row('AVX', 1, 'ecx', 28, 'v3', 2),
  row('F16C', 1, 'ecx', 29, 'v3', 2),
  row('RDRAND', 1, 'ecx', 30),
  row('HYPERVISOR', 1, 'ecx', 31),
  row('ARAT', 6, 'eax', 2),
  row('FSGSBASE', 7, 'ebx', 0),
  row('BMI1', 7, 'ebx', 3, 'v3', 2),
  row('AVX2', 7, 'ebx', 5, 'v3', 2),
  row('SMEP', 7, 'ebx', 7),
  row('BMI2', 7, 'ebx', 8, 'v3', 2),
  row('ERMS', 7, 'ebx', 9),
  row('RDSEED', 7, 'ebx', 18),
  row('SMAP', 7, 'ebx', 20),
  row('SHA', 7, 'ebx', 29, 'v2', 2),
  row('UMIP', 7, 'ecx', 2),
  row('LAHF', 0x8000_0001, 'ecx', 0, 'v2'),
  row('LZCNT', 0x8000_0001, 'ecx', 5, 'v3', 2),
  row('3DNOWPREFETCH', 0x8000_0001, 'ecx', 8),
  row('SYSCALL', 0x8000_0001, 'edx', 11),
  row('NX', 0x8000_0001, 'edx', 20),
  row('PAGE1GB', 0x8000_0001, 'edx', 26),
  row('RDTSCP', 0x8000_0001, 'edx', 27),
  row('LM', 0x8000_0001, 'edx', 29),
];

/**
 * What the processor says that it does not suffer from. Nothing here executes speculatively, and without these rows a
 * Linux guest would pay for mitigations of this processor family (return thunks, branch history flushes, and without
 * automatic IBRS a retpoline at each indirect call, which is three branches in place of one).
 */
export const CPU_IMMUNITIES: readonly CpuFeature[] = [
  row('AMD_SSB_NO', 0x8000_0008, 'ebx', 26),
  row('BTC_NO', 0x8000_0008, 'ebx', 29),
  row('LFENCE_ALWAYS_SERIALIZING', 0x8000_0021, 'eax', 2),
  row('AUTOIBRS', 0x8000_0021, 'eax', 8),
  row('SRSO_NO', 0x8000_0021, 'eax', 29),
];

/** The bits of leaf 1 EDX that AMD repeats in leaf 0x80000001 EDX. */
export const AMD_REPEATED_BITS = 0x0183_f3ff;

/** Whether a guest is told of a feature. */
export function shows({ level, version }: ProcessorModel, feature: CpuFeature): boolean {
  return version >= feature.since && includesLevel(level, feature.level);
}

/** The bits of one register of one leaf that a model shows. */
export function featureBits(model: ProcessorModel, leaf: number, register: CpuidRegister): number {
  let bits = 0;
  for (const table of [CPU_FEATURES, CPU_IMMUNITIES]) {
    for (const feature of table) {
      if (feature.leaf === leaf && feature.register === register && shows(model, feature)) bits |= 1 << feature.bit;
    }
  }
  return bits;
}
