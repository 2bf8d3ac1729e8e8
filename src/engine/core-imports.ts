/** What the core asks of the microkernel. 64-bit values cross in DATA, so that nothing here allocates. */

import type { ProcessorIntercepts } from '../hypervisor/engine-port.ts';

export function importsOf(intercepts: ProcessorIntercepts): Record<string, (...values: number[]) => unknown> {
  return {
    mmioRead: (gpa: number, size: number) => intercepts.mmioRead(gpa, size),
    mmioWrite: (gpa: number, size: number) => intercepts.mmioWrite(gpa, size),
    portRead: (port: number, size: number) => intercepts.portRead(port, size),
    portWrite: (port: number, size: number, value: number) => intercepts.portWrite(port, size, value >>> 0),
    cpuid: (leaf: number, subleaf: number) => intercepts.cpuid(leaf >>> 0, subleaf >>> 0),
    readMsr: (index: number) => (intercepts.readMsr(index >>> 0) ? 1 : 0),
    writeMsr: (index: number) => (intercepts.writeMsr(index >>> 0) ? 1 : 0),
    hypercall: () => (intercepts.hypercall() ? 1 : 0),
    readCr8: () => intercepts.readCr8(),
    writeCr8: (value: number) => intercepts.writeCr8(value),
    timeStampCounter: () => intercepts.timeStampCounter(),
  };
}
