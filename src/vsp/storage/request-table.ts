/**
 * The requests that a guest has made on one channel and we have not answered, in shared memory: they outlive the thread
 * that serves them. A packet is copied here whole before anybody looks at it, and its answer is made here; a service
 * that starts again finds both. Answers may go in another order than requests came.
 *
 *   word 0  one more than the slot whose answer is being sent   word 1  where in the ring it goes, plus one
 *   word 2  where the first packet was, plus one                from byte 64: the slots
 *
 * A thread may end between any two stores. One store makes a request: the slot's `Sequence`, after everything else of
 * it. One store ends it: `Answered` becomes the same. The slot of the newest request is not used for the next one,
 * because it says how far the ring was read.
 */

import { VSTOR_PACKET_SIZE } from '../../protocols/storvsc.ts';

const HEADER_BYTES = 64;
const SENDING = 0;
const SENT_TO = 1;
const START = 2;

/** The words of a slot before the answer. */
const Slot = {
  /** Requests are numbered from 1 on. */
  Sequence: 0,
  Answered: 1,
  /** 1 when it was acted upon and its answer made. */
  Acted: 2,
  /** The unit that was written to and has not settled yet, plus one. */
  WrittenUnit: 3,
  /** Where in the ring the next packet begins. */
  Position: 4,
  TransactionLow: 5,
  TransactionHigh: 6,
  PacketType: 7,
  WantsAnswer: 8,
  /** Where in the packet its payload begins, and how long it is in all. */
  DataOffset: 9,
  Length: 10,
} as const;
type SlotWord = (typeof Slot)[keyof typeof Slot];
const ANSWER = 64;
const PACKET = ANSWER + VSTOR_PACKET_SIZE;
const SLOT_BYTES = 1024;
const SLOT_SHIFT = 10;

export const REQUEST_COUNT = 256;
/** The longest packet that finds room. */
export const MAX_REQUEST_BYTES = SLOT_BYTES - PACKET;
export const REQUEST_TABLE_BYTES = HEADER_BYTES + REQUEST_COUNT * SLOT_BYTES;

/** A packet of the ring, as the channel shows it. */
export interface IncomingPacket {
  readonly bytes: Uint8Array;
  readonly type: number;
  readonly flags: number;
  readonly transactionLow: number;
  readonly transactionHigh: number;
  readonly dataOffset: number;
  readonly length: number;
  /** Behind it in the ring. */
  readonly position: number;
}

export class RequestTable {
  readonly view: DataView;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #answers: Uint8Array[] = [];
  /** The slots of requests that are not answered, oldest first. */
  readonly #order = new Uint16Array(REQUEST_COUNT);
  #count = 0;
  #newest = 0;
  #sequence = 0;

  /** @param buffer of REQUEST_TABLE_BYTES: zeros, or what another thread has left. */
  constructor(buffer: SharedArrayBuffer) {
    this.view = new DataView(buffer);
    this.#words = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    for (let slot = 0; slot < REQUEST_COUNT; slot++) {
      this.#answers.push(new Uint8Array(buffer, HEADER_BYTES + slot * SLOT_BYTES + ANSWER, VSTOR_PACKET_SIZE));
    }
    this.#rebuild();
  }

  /** How many requests are not answered. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= REQUEST_COUNT - 1;
  }

  /** @param start where in the ring the first packet will be. */
  clear(start?: number): void {
    for (let slot = 0; slot < REQUEST_COUNT; slot++) {
      this.#set(slot, Slot.Answered, 0);
      this.#set(slot, Slot.Sequence, 0);
    }
    this.#words[START] = start === undefined ? 0 : start + 1;
    this.stopSending();
    this.#rebuild();
  }

  /**
   * Another thread has ended over what is here. An answer whose place in the ring is behind us was sent. What may not
   * have settled is done again; other answers stand.
   * @param sendPosition where in the ring the next answer goes.
   */
  takeOver(sendPosition: number): void {
    const sending = (this.#words[SENDING] as number) - 1;
    const sentTo = this.#words[SENT_TO] as number;
    if (sentTo !== 0 && sentTo !== sendPosition + 1 && sending >= 0 && this.#isOpen(sending)) this.finish(sending);
    this.stopSending();
    this.#rebuild();
    for (let i = 0; i < this.#count; i++) {
      const slot = this.slotAt(i);
      if (this.writtenUnit(slot) < 0) continue;
      this.#set(slot, Slot.Acted, 0);
      this.setWrittenUnit(slot, -1);
    }
  }

  // Hot path: each once a request. A view of the packet is all that is allocated.

  /** Copies a packet; its slot. The table is not full, and the packet not too long. */
  add(packet: IncomingPacket, wantsAnswer: boolean): number {
    let slot = this.#newest;
    do slot = (slot + 1) % REQUEST_COUNT; while (this.#isOpen(slot));
    this.#set(slot, Slot.Position, packet.position);
    this.#set(slot, Slot.TransactionLow, packet.transactionLow);
    this.#set(slot, Slot.TransactionHigh, packet.transactionHigh);
    this.#set(slot, Slot.PacketType, packet.type);
    this.#set(slot, Slot.WantsAnswer, wantsAnswer ? 1 : 0);
    this.#set(slot, Slot.DataOffset, packet.dataOffset);
    this.#set(slot, Slot.Length, packet.length);
    this.#set(slot, Slot.WrittenUnit, 0);
    this.#set(slot, Slot.Acted, 0);
    this.#bytes.set(packet.bytes.subarray(0, packet.length), this.packet(slot));
    // Zero says that the slot was never used.
    this.#sequence = ((this.#sequence + 1) | 0) || 1;
    Atomics.store(this.#words, this.#word(slot, Slot.Sequence), this.#sequence);
    this.#newest = slot;
    this.#order[this.#count++] = slot;
    return slot;
  }

  /** The slot of the `index`-th oldest request that is not answered. */
  slotAt(index: number): number {
    return this.#order[index] as number;
  }

  /** The answer goes to this place of the ring. */
  beginSending(slot: number, position: number): void {
    this.#words[SENDING] = slot + 1;
    Atomics.store(this.#words, SENT_TO, position + 1);
  }

  /** It did not. */
  stopSending(): void {
    Atomics.store(this.#words, SENT_TO, 0);
  }

  /** The request is answered. It leaves the order with the next `forgetFinished`. */
  finish(slot: number): void {
    Atomics.store(this.#words, this.#word(slot, Slot.Answered), this.sequence(slot));
    this.stopSending();
  }

  forgetFinished(): void {
    let kept = 0;
    for (let i = 0; i < this.#count; i++) {
      const slot = this.#order[i] as number;
      if (this.#isOpen(slot)) this.#order[kept++] = slot;
    }
    this.#count = kept;
  }

  /** Where in the ring the packets begin that are not here yet; undefined when only the ring knows. */
  get receivePosition(): number | undefined {
    if (this.#sequence !== 0) return this.#get(this.#newest, Slot.Position);
    const start = this.#words[START] as number;
    return start === 0 ? undefined : start - 1;
  }

  sequence(slot: number): number {
    return this.#get(slot, Slot.Sequence);
  }

  /** Where in `view` a request's packet begins. */
  packet(slot: number): number {
    return HEADER_BYTES + (slot << SLOT_SHIFT) + PACKET;
  }

  /** Where in `view` a request's answer is made. */
  answer(slot: number): number {
    return HEADER_BYTES + (slot << SLOT_SHIFT) + ANSWER;
  }

  answerBytes(slot: number): Uint8Array {
    return this.#answers[slot] as Uint8Array;
  }

  isActed(slot: number): boolean {
    return this.#get(slot, Slot.Acted) !== 0;
  }

  /** Its answer is made, but for what settling may change. */
  setActed(slot: number): void {
    Atomics.store(this.#words, this.#word(slot, Slot.Acted), 1);
  }

  /** The unit that a request wrote to and whose disk has not settled; -1 when there is none. */
  writtenUnit(slot: number): number {
    return this.#get(slot, Slot.WrittenUnit) - 1;
  }

  setWrittenUnit(slot: number, unit: number): void {
    Atomics.store(this.#words, this.#word(slot, Slot.WrittenUnit), unit + 1);
  }

  packetType(slot: number): number {
    return this.#get(slot, Slot.PacketType);
  }

  wantsAnswer(slot: number): boolean {
    return this.#get(slot, Slot.WantsAnswer) !== 0;
  }

  dataOffset(slot: number): number {
    return this.#get(slot, Slot.DataOffset);
  }

  length(slot: number): number {
    return this.#get(slot, Slot.Length);
  }

  transactionLow(slot: number): number {
    return this.#get(slot, Slot.TransactionLow) >>> 0;
  }

  transactionHigh(slot: number): number {
    return this.#get(slot, Slot.TransactionHigh) >>> 0;
  }

  /** For a saved state: everything, or no bytes when nothing is unanswered. */
  save(): Uint8Array {
    return this.#count === 0 ? new Uint8Array(0) : this.#bytes.slice();
  }

  /** @throws Error when the state makes no sense. */
  restore(saved: Uint8Array): void {
    if (saved.length === 0) {
      this.clear();
      return;
    }
    if (saved.length !== REQUEST_TABLE_BYTES) throw new Error('its storage requests are not as many as they should be');
    this.#bytes.set(saved);
    this.#rebuild();
    for (let i = 0; i < this.#count; i++) {
      const slot = this.slotAt(i);
      const [offset, length] = [this.dataOffset(slot), this.length(slot)];
      const isRight = offset >= 0 && offset <= length && length <= MAX_REQUEST_BYTES;
      if (!isRight || this.#count >= REQUEST_COUNT) throw new Error('its storage requests make no sense');
    }
  }

  /** Finds out from the slots what is not answered, and which came last. */
  #rebuild(): void {
    const open: number[] = [];
    this.#sequence = 0;
    this.#newest = 0;
    for (let slot = 0; slot < REQUEST_COUNT; slot++) {
      const sequence = this.sequence(slot);
      if (this.#isOpen(slot)) open.push(slot);
      if (sequence === 0 || (this.#sequence !== 0 && ((sequence - this.#sequence) | 0) < 0)) continue;
      this.#sequence = sequence;
      this.#newest = slot;
    }
    open.sort((a, b) => (this.sequence(a) - this.sequence(b)) | 0);
    this.#order.set(open);
    this.#count = open.length;
  }

  #isOpen(slot: number): boolean {
    return this.#get(slot, Slot.Sequence) !== this.#get(slot, Slot.Answered);
  }

  #word(slot: number, word: SlotWord): number {
    return ((HEADER_BYTES + (slot << SLOT_SHIFT)) >>> 2) + word;
  }

  #get(slot: number, word: SlotWord): number {
    return this.#words[this.#word(slot, word)] as number;
  }

  #set(slot: number, word: SlotWord, value: number): void {
    this.#words[this.#word(slot, word)] = value | 0;
  }
}
