/**
 * The packets of a channel's guest that were taken and that we are not done with, in shared memory: they outlive the
 * thread that serves the channel. Whoever takes packets says what a slot holds besides.
 *
 *   word 0  one more than what is being sent to the guest       word 1  where in the ring it goes, plus one
 *   word 2  where the first packet was, plus one                from byte 64: the slots
 *
 * A thread may end between any two stores. One store takes a packet: the slot's `Sequence`, after everything else of
 * it. One store ends it: `Done` becomes the same. The slot of the newest packet is not used for the next one, because
 * it says how far the ring was read.
 */

export const SLOTS_HEADER_BYTES = 64;
const SENDING = 0;
const SENT_TO = 1;
const START = 2;

/** The words that every slot has. Words 2 and 3, and those behind these, are of whoever made the table. */
export const SlotWord = {
  /** Packets are numbered from 1 on. */
  Sequence: 0,
  Done: 1,
  /** Where in the ring the next packet begins. */
  Position: 4,
  TransactionLow: 5,
  TransactionHigh: 6,
} as const;

/** Of a packet, what every slot keeps. */
export interface TakenPacket {
  readonly transactionLow: number;
  readonly transactionHigh: number;
  /** Behind it in the ring. */
  readonly position: number;
}

export interface PacketSlotsOptions {
  /** Zeros, or what another thread has left. */
  readonly buffer: SharedArrayBuffer;
  /** Where in it the table begins; a multiple of four. */
  readonly offset?: number;
  readonly slotCount: number;
  readonly slotBytes: number;
}

export class PacketSlots {
  readonly #words: Int32Array;
  readonly #slotCount: number;
  readonly #slotWords: number;
  /** The slots of packets that we are not done with, oldest first. */
  readonly #order: Uint16Array;
  #count = 0;
  #newest = 0;
  #sequence = 0;

  constructor({ buffer, offset = 0, slotCount, slotBytes }: PacketSlotsOptions) {
    this.#words = new Int32Array(buffer, offset, (SLOTS_HEADER_BYTES + slotCount * slotBytes) >>> 2);
    this.#slotCount = slotCount;
    this.#slotWords = slotBytes >>> 2;
    this.#order = new Uint16Array(slotCount);
    this.rebuild();
  }

  /** How many packets are in the order. */
  get count(): number {
    return this.#count;
  }

  /** How many are not done with, counted from the slots. */
  get openCount(): number {
    let count = 0;
    for (let slot = 0; slot < this.#slotCount; slot++) if (this.isOpen(slot)) count++;
    return count;
  }

  get isFull(): boolean {
    return this.#count >= this.#slotCount - 1;
  }

  /** The number that the next packet gets. */
  get nextSequence(): number {
    // Zero says that a slot was never used.
    return ((this.#sequence + 1) | 0) || 1;
  }

  /** @param start where in the ring the first packet will be. */
  clear(start?: number): void {
    for (let slot = 0; slot < this.#slotCount; slot++) {
      this.set(slot, SlotWord.Done, 0);
      this.set(slot, SlotWord.Sequence, 0);
    }
    this.#words[START] = start === undefined ? 0 : start + 1;
    this.stopSending();
    this.rebuild();
  }

  // Hot path: each once a packet. Nothing is allocated.

  /** A slot for the next packet, in which its maker writes before `take`. The table is not full. */
  next(): number {
    let slot = this.#newest;
    do slot = (slot + 1) % this.#slotCount; while (this.isOpen(slot));
    return slot;
  }

  take(slot: number, packet: TakenPacket): void {
    this.set(slot, SlotWord.Position, packet.position);
    this.set(slot, SlotWord.TransactionLow, packet.transactionLow);
    this.set(slot, SlotWord.TransactionHigh, packet.transactionHigh);
    this.#sequence = this.nextSequence;
    this.store(slot, SlotWord.Sequence, this.#sequence);
    this.#newest = slot;
    this.#order[this.#count++] = slot;
  }

  /** The slot of the `index`-th oldest packet in the order. */
  slotAt(index: number): number {
    return this.#order[index] as number;
  }

  /** `what`, a number above 0, goes to this place of the ring. */
  beginSending(what: number, position: number): void {
    this.#words[SENDING] = what;
    Atomics.store(this.#words, SENT_TO, position + 1);
  }

  /** It did not, or everything that follows from its being sent is done. */
  stopSending(): void {
    Atomics.store(this.#words, SENT_TO, 0);
  }

  /**
   * What another thread was sending when it ended, if it was sent; else 0.
   * @param sendPosition where in the ring the next packet to the guest goes.
   */
  sentUnnoticed(sendPosition: number): number {
    const sentTo = this.#words[SENT_TO] as number;
    return sentTo !== 0 && sentTo !== sendPosition + 1 ? this.#words[SENDING] as number : 0;
  }

  /** It leaves the order with the next `forgetFinished`. */
  finish(slot: number): void {
    this.store(slot, SlotWord.Done, this.sequence(slot));
  }

  forgetFinished(): void {
    let kept = 0;
    for (let i = 0; i < this.#count; i++) {
      const slot = this.#order[i] as number;
      if (this.isOpen(slot)) this.#order[kept++] = slot;
    }
    this.#count = kept;
  }

  /** Where in the ring the packets begin that were not taken; undefined when only the ring knows. */
  get receivePosition(): number | undefined {
    if (this.#sequence !== 0) return this.get(this.#newest, SlotWord.Position);
    const start = this.#words[START] as number;
    return start === 0 ? undefined : start - 1;
  }

  isOpen(slot: number): boolean {
    return this.get(slot, SlotWord.Sequence) !== this.get(slot, SlotWord.Done);
  }

  sequence(slot: number): number {
    return this.get(slot, SlotWord.Sequence);
  }

  transactionLow(slot: number): number {
    return this.get(slot, SlotWord.TransactionLow) >>> 0;
  }

  transactionHigh(slot: number): number {
    return this.get(slot, SlotWord.TransactionHigh) >>> 0;
  }

  protected get(slot: number, word: number): number {
    return this.#words[this.#word(slot, word)] as number;
  }

  protected set(slot: number, word: number, value: number): void {
    this.#words[this.#word(slot, word)] = value | 0;
  }

  /** After everything that was set before it. */
  protected store(slot: number, word: number, value: number): void {
    Atomics.store(this.#words, this.#word(slot, word), value | 0);
  }

  /** Finds out from the slots what is open, and which came last. */
  protected rebuild(): void {
    const open: number[] = [];
    this.#sequence = 0;
    this.#newest = 0;
    for (let slot = 0; slot < this.#slotCount; slot++) {
      const sequence = this.sequence(slot);
      if (this.isOpen(slot)) open.push(slot);
      if (sequence === 0 || (this.#sequence !== 0 && ((sequence - this.#sequence) | 0) < 0)) continue;
      this.#sequence = sequence;
      this.#newest = slot;
    }
    open.sort((a, b) => (this.sequence(a) - this.sequence(b)) | 0);
    this.#order.set(open);
    this.#count = open.length;
  }

  #word(slot: number, word: number): number {
    return (SLOTS_HEADER_BYTES >>> 2) + slot * this.#slotWords + word;
  }
}
