/** The registers of a 16550A [National Semiconductor PC16550D data sheet, section 8]. */

/** Offsets from the base port. At 0 and 1 lies the divisor instead while LCR.DLAB is set. */
export const Register = {
  Data: 0, InterruptEnable: 1, InterruptId: 2, FifoControl: 2, LineControl: 3, ModemControl: 4, LineStatus: 5,
  ModemStatus: 6, Scratch: 7,
} as const;

export const InterruptEnable = {
  Received: 0x01, Transmit: 0x02, LineStatus: 0x04, ModemStatus: 0x08, All: 0x0f,
} as const;

/** Interrupt identification, highest priority first. */
export const InterruptId = {
  LineStatus: 0x06, Received: 0x04, ReceiveTimeout: 0x0c, Transmit: 0x02, ModemStatus: 0x00, None: 0x01, Fifos: 0xc0,
} as const;

export const FifoControl = { Enable: 0x01, ClearReceiver: 0x02, Kept: 0xc1 } as const;
/** Bytes in the receiver's FIFO that ask for an interrupt, by FCR bits 7:6. */
export const RECEIVE_TRIGGER = [1, 4, 8, 14] as const;

export const DIVISOR_LATCH = 0x80;

export const ModemControl = { Dtr: 0x01, Rts: 0x02, Out1: 0x04, Out2: 0x08, Loop: 0x10, All: 0x1f } as const;

export const LineStatus = { DataReady: 0x01, Overrun: 0x02, TransmitEmpty: 0x60 } as const;

/** Bits 3:0 say that the line in 7:4 changed (of RI: that it fell). */
export const ModemStatus = {
  DeltaCts: 0x01, DeltaDsr: 0x02, RingEnded: 0x04, DeltaDcd: 0x08, Cts: 0x10, Dsr: 0x20, Ri: 0x40, Dcd: 0x80,
} as const;

export const FIFO_BYTES = 16;
