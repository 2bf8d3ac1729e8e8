/**
 * Connections: numbers by which a guest reaches a port, of which the microkernel knows only whether it takes messages
 * or events and which thread to wake [TLFS 11.5, 11.6]. A posted message goes into one bounded ring; an event sets a
 * bit. What they mean is the business of whoever opened the connection.
 */
import { HvStatus } from '../protocols/tlfs/hypercalls.ts';
import { CONNECTION_ID_RESERVED, HYPERVISOR_MESSAGE } from '../protocols/tlfs/messaging.ts';
import { MESSAGE_PAYLOAD_MAX } from '../protocols/tlfs/synic.ts';
import type { ControlBuffer } from './control-buffer.ts';
import type { Doorbell } from './doorbell.ts';
import { doorbellOf, type Message, MessageRing } from './message-ring.ts';
import { CONNECTION_COUNT, DOORBELL_COUNT, POSTED_COUNT, SIGNALS_SIZE } from './messaging-layout.ts';

/** What a connection's word says in its low byte; the doorbell's number is in the next. */
const Kind = { Closed: 0, Message: 1, Event: 2 } as const;
const KIND_MASK = 0xff;
const DOORBELL_SHIFT = 8;

export class Connections {
  readonly #control: ControlBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #posted: MessageRing;
  readonly #doorbells: Doorbell[] = [];

  constructor(control: ControlBuffer) {
    this.#control = control;
    this.#words = control.words;
    this.#posted = new MessageRing(control, control.postedOffset, POSTED_COUNT);
    for (let i = 0; i < DOORBELL_COUNT; i++) this.#doorbells.push(doorbellOf(control, i));
  }

  /** From now on messages to `id` are kept for the thread of `doorbell`. */
  openMessages(id: number, doorbell: number): void {
    Atomics.store(this.#words, this.#word(id), Kind.Message | (doorbell << DOORBELL_SHIFT));
  }

  /** From now on events on `id` are shown to the thread of `doorbell`. */
  openEvents(id: number, doorbell: number): void {
    Atomics.store(this.#words, this.#word(id), Kind.Event | (doorbell << DOORBELL_SHIFT));
  }

  /** Nothing reaches `id` any more, and what it was signalled before is forgotten. */
  close(id: number): void {
    const entry = Atomics.exchange(this.#words, this.#word(id), Kind.Closed);
    const signals = this.#control.signalsWord(entry >> DOORBELL_SHIFT) + (id >> 5);
    Atomics.and(this.#words, signals, ~(1 << (id & 31)));
  }

  /** HvCallPostMessage, on the processor's thread. */
  post(id: number, processor: number, messageType: number, payload: Uint8Array): HvStatus {
    if ((messageType & HYPERVISOR_MESSAGE) !== 0 || messageType === 0) return HvStatus.InvalidParameter;
    if (payload.length > MESSAGE_PAYLOAD_MAX) return HvStatus.InvalidParameter;
    const entry = this.#entry(id);
    if ((entry & KIND_MASK) !== Kind.Message) return HvStatus.InvalidConnectionId;
    if (!this.#posted.put(id, processor, messageType, payload)) return HvStatus.InsufficientBuffers;
    (this.#doorbells[entry >> DOORBELL_SHIFT] as Doorbell).ring();
    return HvStatus.Success;
  }

  // Hot path: a guest's ring doorbell. No allocation.
  /** HvCallSignalEvent, on the processor's thread. Every port has one flag. */
  signal(id: number, flagNumber: number): HvStatus {
    const entry = this.#entry(id);
    if ((entry & KIND_MASK) !== Kind.Event) return HvStatus.InvalidConnectionId;
    if (flagNumber !== 0) return HvStatus.InvalidParameter;
    const doorbell = entry >> DOORBELL_SHIFT;
    Atomics.or(this.#words, this.#control.signalsWord(doorbell) + (id >> 5), 1 << (id & 31));
    (this.#doorbells[doorbell] as Doorbell).ring();
    return HvStatus.Success;
  }

  /** The next message from the guest; for the one thread that owns the message connections. */
  takeMessage(): Message | undefined {
    return this.#posted.take();
  }

  // Hot path: one a doorbell. No allocation.
  /** Calls `each` for every connection of `doorbell` that was signalled since the last time. */
  takeSignals(doorbell: number, each: (id: number) => void): void {
    const start = this.#control.signalsWord(doorbell);
    for (let word = 0; word < SIGNALS_SIZE / 4; word++) {
      if (Atomics.load(this.#words, start + word) === 0) continue;
      let bits = Atomics.exchange(this.#words, start + word, 0);
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        bits &= ~(1 << bit);
        each(word * 32 + bit);
      }
    }
  }

  doorbell(index: number): Doorbell {
    return this.#doorbells[index] as Doorbell;
  }

  #entry(id: number): number {
    if ((id & CONNECTION_ID_RESERVED) !== 0 || id >= CONNECTION_COUNT) return Kind.Closed;
    return Atomics.load(this.#words, this.#word(id));
  }

  #word(id: number): number {
    if (id < 0 || id >= CONNECTION_COUNT) {
      throw new Error(`there is no connection ${id}: ids are below ${CONNECTION_COUNT}`);
    }
    return this.#control.connectionWord(id);
  }
}
