/**
 * The synthetic interrupt controller's pages in guest memory: SIMP, sixteen message slots of 256 bytes, and SIEFP,
 * sixteen areas of 2048 event flags [TLFS 11.7, 11.9].
 */
import { struct, u16, u32, u8 } from '../../wire/struct.ts';

export const SINT_COUNT = 16;
export const SYNTHETIC_TIMER_COUNT = 4;
export const MESSAGE_SLOT_SIZE = 256;
export const MESSAGE_PAYLOAD_MAX = 240;
export const EVENT_FLAGS_SIZE = 256;
export const EVENT_FLAG_COUNT = EVENT_FLAGS_SIZE * 8;

/** HV_MESSAGE_HEADER; the payload follows. [TLFS 11.10] */
export const MessageHeader = struct('HV_MESSAGE_HEADER', 16, {
  messageType: u32,
  payloadSize: u8,
  messageFlags: u8,
  reserved: u16,
  senderLow: u32,
  senderHigh: u32,
});

export const MessageType = { None: 0, Channel: 1, TimerExpired: 0x8000_0010 } as const;

/** messageFlags bit 0: another message waits; the guest writes EOM once it has emptied the slot. */
export const MESSAGE_PENDING = 1;

/** HV_TIMER_MESSAGE_PAYLOAD. Times are reference time. [TLFS 12.4] */
export const TimerMessagePayload = struct('HV_TIMER_MESSAGE_PAYLOAD', 24, {
  timerIndex: u32,
  reserved: u32,
  expirationTimeLow: u32,
  expirationTimeHigh: u32,
  deliveryTimeLow: u32,
  deliveryTimeHigh: u32,
});
