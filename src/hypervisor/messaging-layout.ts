/**
 * Where messages and events cross between a guest's processors and the services, as a part of the control buffer (it
 * lies behind the trace rings):
 *
 *     doorbells      DOORBELL_COUNT cache lines, word 0 of each is the bell; one a service thread
 *     signals        for each doorbell a bit per connection id: signalled and not yet looked at
 *     connections    one word per connection id: what it leads to
 *     posted         a ring of messages from the guest, for the thread that owns the message connections
 *     queues         per processor and SINT a ring of messages to the guest, waiting for their slot, and event flags
 *                    on their way into the guest's page
 *
 * Everything but the bodies of ring entries is atomic; producers of a ring hold its lock.
 */
import { bytes, struct, u32 } from '../wire/struct.ts';
import { EVENT_FLAGS_SIZE, MESSAGE_PAYLOAD_MAX, SINT_COUNT } from '../protocols/tlfs/synic.ts';

export const DOORBELL_COUNT = 16;
/** Connection ids that can lead anywhere lie below this: two for messages, one for each of VMBus's 2047 channels. */
export const CONNECTION_COUNT = 4096;
export const POSTED_COUNT = 64;
export const QUEUE_COUNT = 16;

export const RingHeader = struct('message_ring', 64, {
  lock: u32,
  written: u32, // atomic: counts up, wraps at 2^32
  read: u32, // atomic
  doorbell: u32, // atomic: 1 + the doorbell to ring when an entry has left, 0: nobody waits for room
  spare: bytes(48),
});

/** A message in either direction. */
export const RingMessage = struct('ring_message', 256, {
  connectionId: u32, // of a posted message
  processor: u32,
  messageType: u32,
  payloadSize: u32,
  payload: bytes(MESSAGE_PAYLOAD_MAX),
});

export const DOORBELL_SIZE = 64;
export const SIGNALS_SIZE = CONNECTION_COUNT / 8;
const SIGNALS_OFFSET = DOORBELL_COUNT * DOORBELL_SIZE;
const CONNECTIONS_OFFSET = SIGNALS_OFFSET + DOORBELL_COUNT * SIGNALS_SIZE;
const POSTED_OFFSET = CONNECTIONS_OFFSET + CONNECTION_COUNT * 4;
const QUEUES_OFFSET = POSTED_OFFSET + RingHeader.$size + POSTED_COUNT * RingMessage.$size;
const QUEUE_FLAGS = RingHeader.$size + QUEUE_COUNT * RingMessage.$size;
const QUEUE_SIZE = QUEUE_FLAGS + EVENT_FLAGS_SIZE;

/** Offsets within the messaging area. */
export const doorbellOffset = (doorbell: number): number => doorbell * DOORBELL_SIZE;
export const signalsOffset = (doorbell: number): number => SIGNALS_OFFSET + doorbell * SIGNALS_SIZE;
export const connectionOffset = (id: number): number => CONNECTIONS_OFFSET + id * 4;
export const POSTED_RING_OFFSET = POSTED_OFFSET;
export const queueOffset = (processor: number, sint: number): number =>
  QUEUES_OFFSET + (processor * SINT_COUNT + sint) * QUEUE_SIZE;
export const flagsOffset = (processor: number, sint: number): number => queueOffset(processor, sint) + QUEUE_FLAGS;
export const messagingSize = (processorCount: number): number => queueOffset(processorCount, 0);
