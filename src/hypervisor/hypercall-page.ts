/**
 * The hypercall page: the code that a guest calls to reach the hypervisor [TLFS 3.13]. ENDBR64 comes first because
 * kernels with indirect branch tracking look for it; what follows the stub traps if it is ever executed.
 */
import type { GuestMemory } from './guest-memory.ts';

const ENDBR64 = [0xf3, 0x0f, 0x1e, 0xfa];
const VMCALL = [0x0f, 0x01, 0xc1];
const RET = [0xc3];
const INT3 = 0xcc;

export const HYPERCALL_PAGE_SIZE = 4096;

/** Writes the page at `gpa`; false when there is no RAM. */
export function writeHypercallPage(memory: GuestMemory, gpa: number): boolean {
  const page = new Uint8Array(HYPERCALL_PAGE_SIZE).fill(INT3);
  page.set([...ENDBR64, ...VMCALL, ...RET]);
  return memory.write(gpa, page);
}
