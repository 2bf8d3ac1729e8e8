/** Where a serial port keeps its state in shared memory, and the value that it is saved as. */
import { ByteRing } from '../byte-ring.ts';
import { FIFO_BYTES } from './registers.ts';

export const TRANSMIT_RING_BYTES = 0x1_0000;
export const RECEIVE_RING_BYTES = 0x1000;

/** Words of the shared region; the lock guards the others but the doorbell. The rings follow. */
export const Word = {
  Lock: 0, Doorbell: 1, InterruptEnable: 2, FifoControl: 3, LineControl: 4, ModemControl: 5, ModemDeltas: 6, Scratch: 7,
  DivisorLow: 8, DivisorHigh: 9,
  /** LSR bits that a read clears. */
  LineErrors: 10,
  /** The transmitter emptied, and the guest has not been told yet. */
  TransmitPending: 11,
  /** The transmit ring was full: emptying it is an event. */
  TransmitBlocked: 12,
  /** The host has more to say than fitted: room in the receive ring is an event. */
  ReceiveBlocked: 13,
  /** The guest has written to MCR since reset. */
  ModemControlWritten: 14,
  Line: 15,
  /** The receiver's FIFO in loopback: how many bytes, then the bytes, oldest first. */
  LoopCount: 16, LoopBytes: 17, Count: 17 + FIFO_BYTES,
} as const;
export const REGISTERS_END = Word.Line;
export const TRANSMIT_RING_OFFSET = Math.ceil((Word.Count * 4) / 8) * 8;
export const RECEIVE_RING_OFFSET = TRANSMIT_RING_OFFSET + ByteRing.sharedBytes(TRANSMIT_RING_BYTES);

export const SHARED_BYTES = RECEIVE_RING_OFFSET + ByteRing.sharedBytes(RECEIVE_RING_BYTES);

export interface SerialState {
  readonly version: 1;
  /** The register words in the order of `Word`, from InterruptEnable on. */
  readonly registers: readonly number[];
  readonly line: boolean;
  readonly loopback: readonly number[];
  /** Sent and not yet taken by the host; received and not yet read by the guest. */
  readonly transmitted: Uint8Array;
  readonly received: Uint8Array;
}
