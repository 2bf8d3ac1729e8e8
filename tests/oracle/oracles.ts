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
