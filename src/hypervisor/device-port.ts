/**
 * Where the microkernel meets user mode: accesses that no part of the kernel answers go out through `IoIntercepts`,
 * and devices ask for interrupts through `InterruptSink`. Both are called on whatever thread has the need (a
 * processor's own, or the VM worker's main thread), so whoever implements them keeps its state in shared memory and
 * guards it.
 */

/** Port and memory accesses that leave the microkernel. Unclaimed reads are all ones, unclaimed writes vanish. */
export interface IoIntercepts {
  /** `size` is 1, 2 or 4 bytes; the result is zero-extended. */
  portRead(port: number, size: number): number;
  portWrite(port: number, size: number, value: number): void;
  /** `size` is 1, 2, 4 or 8 bytes; the value crosses in data[0..1], low word first. */
  mmioRead(gpa: number, size: number, data: Int32Array): void;
  mmioWrite(gpa: number, size: number, data: Int32Array): void;
  /** A level-triggered interrupt with this vector was acknowledged at a local APIC (the EOI broadcast). */
  endOfInterrupt(vector: number): void;
}

/** Delivery modes of an interrupt message [Intel SDM 3A, table 11-8 (MSI data register)]. */
export const DeliveryMode = { Fixed: 0, LowestPriority: 1, Smi: 2, Nmi: 4, Init: 5, ExtInt: 7 } as const;
export type DeliveryMode = (typeof DeliveryMode)[keyof typeof DeliveryMode];

export interface InterruptSink {
  /** Sends an interrupt message to the local APICs that `destination` names, and wakes their processors. Any thread. */
  sendInterrupt(
    destination: number, logical: boolean, mode: DeliveryMode, vector: number, levelTriggered: boolean,
  ): void;
}
