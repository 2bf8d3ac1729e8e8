/** The hypervisor's side of an engine that a test runs by itself: nothing that guest code reaches for is there. */

import type { ProcessorIntercepts } from '../src/hypervisor/engine-port.ts';

export const NO_INTERCEPTS: ProcessorIntercepts = {
  portRead: () => 0,
  portWrite: () => undefined,
  mmioRead: () => undefined,
  mmioWrite: () => undefined,
  cpuid: () => undefined,
  readMsr: () => false,
  writeMsr: () => false,
  hypercall: () => false,
  readCr8: () => 0,
  writeCr8: () => undefined,
  timeStampCounter: () => 0,
};
