/** Which oracle vouches for each instruction form, and of those that cannot run natively in ring 3, why. */

import { INSTRUCTION_ROWS } from '../../src/engine/isa/rows.ts';
import { type Form, formOf } from './form.ts';

/** By name: the host's kernel or hypervisor answers these, or they answer differently every time. */
const NOT_NATIVE: Readonly<Record<string, string>> = {
  SYSCALL: 'enters the host kernel', SYSENTER: 'enters the host kernel',
  VMCALL: 'enters the host hypervisor', VMMCALL: 'enters the host hypervisor',
  CPUID: 'says what the processor is', RDTSC: 'reads the time', RDTSCP: 'reads the time',
  RDRAND: 'is random', RDSEED: 'is random',
  SGDT: 'is emulated by the host kernel under UMIP', SIDT: 'is emulated by the host kernel under UMIP',
  SLDT: 'is emulated by the host kernel under UMIP', STR: 'is emulated by the host kernel under UMIP',
  SMSW: 'is emulated by the host kernel under UMIP',
};

export function allForms(): Form[] {
  return INSTRUCTION_ROWS.map(formOf);
}

/** Why a form cannot be compared with the host's processor; undefined when it can. */
export function notNative({ row }: Form): string | undefined {
  return NOT_NATIVE[row.name];
}

/** The forms that match what a user types: a whole key, a name, or an opcode. */
export function formsNamed(forms: readonly Form[], text: string): Form[] {
  const exact = forms.filter(({ key }) => key === text);
  return exact.length > 0 ? exact : forms.filter(({ row }) => row.name === text || row.opcode === text);
}

const BOOT = 'Linux boots';

/** By name: who vouches for what a form does where the native oracle cannot see it (mostly in ring 0). */
export const OTHER_ORACLES: Readonly<Record<string, string>> = {
  SYSCALL: `kvm-unit-tests syscall, ${BOOT}`, SYSRET: `kvm-unit-tests syscall, ${BOOT}`,
  IRET: `kvm-unit-tests eventinj, ${BOOT}`, CPUID: BOOT, RDTSC: 'kvm-unit-tests tsc', RDTSCP: 'kvm-unit-tests tsc',
  RDMSR: 'kvm-unit-tests msr', WRMSR: 'kvm-unit-tests msr',
  SGDT: 'kvm-unit-tests umip', SIDT: 'kvm-unit-tests umip', SLDT: 'kvm-unit-tests umip', STR: 'kvm-unit-tests umip',
  SMSW: 'kvm-unit-tests umip', CLAC: 'kvm-unit-tests smap', STAC: 'kvm-unit-tests smap', LGDT: BOOT, LIDT: BOOT,
  LLDT: BOOT, LTR: BOOT, INVLPG: `kvm-unit-tests access_test, ${BOOT}`, SWAPGS: BOOT, XSETBV: 'kvm-unit-tests xsave',
  HLT: BOOT, CLI: BOOT, STI: BOOT, IN: BOOT, OUT: BOOT, CLTS: BOOT, WBINVD: BOOT, LMSW: 'kvm-unit-tests realmode',
};
