/**
 * A bounded ring of messages in shared memory. Any thread puts, under the ring's lock; one thread at a time takes.
 * When the ring is full the sender is told so, and may ask for a doorbell when an entry has left.
 */
import { MESSAGE_PAYLOAD_MAX } from '../protocols/tlfs/synic.ts';
import type { ControlBuffer } from './control-buffer.ts';
import { Doorbell } from './doorbell.ts';
import { RingHeader, RingMessage } from './messaging-layout.ts';
import { SharedLock } from './shared-lock.ts';

const WRITTEN = RingHeader.written.offset >> 2;
const READ = RingHeader.read.offset >> 2;
const DOORBELL = RingHeader.doorbell.offset >> 2;

/** A message as value, for saved states and cold paths. */
export interface Message {
  readonly connectionId: number;
  readonly processor: number;
  readonly messageType: number;
  readonly payload: Uint8Array;
}

export class MessageRing {
  readonly #control: ControlBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #offset: number;
  readonly #at: number;
  readonly #capacity: number;
  readonly #lock: SharedLock;

  /** @param offset of the ring's header in the control buffer; `capacity` is a power of two. */
  constructor(control: ControlBuffer, offset: number, capacity: number) {
    this.#control = control;
    this.#words = control.words;
    this.#offset = offset;
    this.#at = offset >> 2;
    this.#capacity = capacity;
    this.#lock = new SharedLock(control.words, this.#at);
  }

  get isEmpty(): boolean {
    return Atomics.load(this.#words, this.#at + READ) === Atomics.load(this.#words, this.#at + WRITTEN);
  }

  /** False when there is no room. A payload is at most 240 bytes. */
  put(connectionId: number, processor: number, messageType: number, payload: Uint8Array): boolean {
    const words = this.#words;
    this.#lock.acquire();
    const written = Atomics.load(words, this.#at + WRITTEN);
    const room = ((written - Atomics.load(words, this.#at + READ)) | 0) < this.#capacity;
    if (room) {
      const entry = this.#entry(written);
      const { view } = this.#control;
      RingMessage.connectionId.set(view, entry, connectionId);
      RingMessage.processor.set(view, entry, processor);
      RingMessage.messageType.set(view, entry, messageType);
      RingMessage.payloadSize.set(view, entry, payload.length);
      new Uint8Array(this.#control.buffer, entry + RingMessage.payload.offset, payload.length).set(payload);
      Atomics.store(words, this.#at + WRITTEN, (written + 1) | 0);
    }
    this.#lock.release();
    return room;
  }

  /** Asks for `doorbell` to be rung once an entry has left. */
  awaitRoom(doorbell: number): void {
    Atomics.store(this.#words, this.#at + DOORBELL, doorbell + 1);
  }

  /** The oldest message, left in place; undefined when there is none. */
  peek(): Message | undefined {
    return this.isEmpty ? undefined : this.#decode(Atomics.load(this.#words, this.#at + READ));
  }

  /** Drops the oldest message. Returns the bell that wanted to know of it, or -1. */
  drop(): number {
    Atomics.add(this.#words, this.#at + READ, 1);
    return Atomics.exchange(this.#words, this.#at + DOORBELL, 0) - 1;
  }

  take(): Message | undefined {
    const message = this.peek();
    if (message !== undefined) this.drop();
    return message;
  }

  /** Every message, oldest first. Only while nobody puts or takes. */
  contents(): Message[] {
    const messages: Message[] = [];
    const written = Atomics.load(this.#words, this.#at + WRITTEN);
    for (let at = Atomics.load(this.#words, this.#at + READ); at !== written; at = (at + 1) | 0) {
      messages.push(this.#decode(at));
    }
    return messages;
  }

  /** Replaces the contents. Only while nobody puts or takes. */
  fill(messages: readonly Message[]): void {
    Atomics.store(this.#words, this.#at + READ, Atomics.load(this.#words, this.#at + WRITTEN));
    Atomics.store(this.#words, this.#at + DOORBELL, 0);
    for (const { connectionId, processor, messageType, payload } of messages) {
      this.put(connectionId, processor, messageType, payload);
    }
  }

  #entry(count: number): number {
    return this.#offset + RingHeader.$size + (count & (this.#capacity - 1)) * RingMessage.$size;
  }

  #decode(count: number): Message {
    const entry = this.#entry(count);
    const { view, buffer } = this.#control;
    const size = Math.min(RingMessage.payloadSize.get(view, entry), MESSAGE_PAYLOAD_MAX);
    const payload = new Uint8Array(size);
    payload.set(new Uint8Array(buffer, entry + RingMessage.payload.offset, size));
    return {
      connectionId: RingMessage.connectionId.get(view, entry),
      processor: RingMessage.processor.get(view, entry),
      messageType: RingMessage.messageType.get(view, entry),
      payload,
    };
  }
}

/** The bell with the number `doorbell`, in the messaging area. */
export function doorbellOf(control: ControlBuffer, doorbell: number): Doorbell {
  return new Doorbell(control.words, control.doorbellWord(doorbell));
}
