/**
 * The inputs of the two calls by which a guest talks to a port: HvCallPostMessage and HvCallSignalEvent
 * [TLFS 11.10.1, 11.10.2].
 */
import { bytes, struct, u16, u32 } from '../../wire/struct.ts';
import { MESSAGE_PAYLOAD_MAX } from './synic.ts';

/** HV_INPUT_POST_MESSAGE. */
export const PostMessageInput = struct('HV_INPUT_POST_MESSAGE', 256, {
  connectionId: u32,
  reserved: u32,
  messageType: u32,
  payloadSize: u32,
  payload: bytes(MESSAGE_PAYLOAD_MAX),
});

/** HV_INPUT_SIGNAL_EVENT. */
export const SignalEventInput = struct('HV_INPUT_SIGNAL_EVENT', 8, {
  connectionId: u32,
  flagNumber: u16,
  reserved: u16,
});

/** A connection id has 24 bits; the rest of its word is zero. */
export const CONNECTION_ID_RESERVED = 0xff00_0000;

/** Message types with this bit belong to the hypervisor; a guest posts others, and not 0. */
export const HYPERVISOR_MESSAGE = 0x8000_0000;
