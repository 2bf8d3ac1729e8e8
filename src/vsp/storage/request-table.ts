/**
 * The requests that a guest has made and we have not answered, in the order in which they came, in shared memory: they
 * outlive the thread that serves them. A packet is copied here whole before anybody looks at it, and its answer is made
 * here; a service that starts again finds both.
 *
 *   word 0  number of the oldest request   word 1  number behind the newest   word 2  the request whose
 *   answer is being sent   word 3  where in the ring it goes, plus one   word 4  where the
 *   first packet was   from byte 64: the slots, by number
 */

import { VSTOR_PACKET_SIZE } from '../../protocols/storvsc.ts';

const HEADER_BYTES = 64;
const OLDEST = 0;
const NEXT = 1;
const SENDING = 2;
const SENT_TO = 3;
const START = 4;

/** The words of a slot before the answer. */
const Slot = {
  /** Where in the ring the next packet begins. */
  Position: 0,
  TransactionLow: 1,
  TransactionHigh: 2,
  PacketType: 3,
  WantsAnswer: 4,
  /** Where in the packet its payload begins, and how long it is in all. */
  DataOffset: 5,
  Length: 6,
  /** The unit that was written to and has not settled yet, plus one. */
  WrittenUnit: 7,
} as const;
type SlotWord = (typeof Slot)[keyof typeof Slot];
const ANSWER = 32;
const PACKET = ANSWER + VSTOR_PACKET_SIZE;
const SLOT_BYTES = 1024;

export const REQUEST_COUNT = 64;
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

  /** @param buffer of REQUEST_TABLE_BYTES: zeros, or what another thread has left. */
  constructor(buffer: SharedArrayBuffer) {
    this.view = new DataView(buffer);
    this.#words = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    for (let slot = 0; slot < REQUEST_COUNT; slot++) {
      this.#answers.push(new Uint8Array(buffer, HEADER_BYTES + slot * SLOT_BYTES + ANSWER, VSTOR_PACKET_SIZE));
    }
  }

  get oldest(): number {
    return (this.#words[OLDEST] as number) >>> 0;
  }

  get next(): number {
    return (this.#words[NEXT] as number) >>> 0;
  }

  get isEmpty(): boolean {
    return this.#words[OLDEST] === this.#words[NEXT];
  }

  get isFull(): boolean {
    return ((this.next - this.oldest) >>> 0) >= REQUEST_COUNT;
  }

  /** @param start where in the ring the first packet will be. */
  clear(start?: number): void {
    this.#words[START] = start ?? -1;
    this.#words[OLDEST] = 0;
    this.#words[NEXT] = 0;
    this.stopSending();
  }

  // Hot path: each once a request. A view of the packet is all that is allocated.

  /** Copies a packet; its number. The table is not full, and the packet not too long. */
  add(packet: IncomingPacket, wantsAnswer: boolean): number {
    const number = this.next;
    this.#set(number, Slot.Position, packet.position);
    this.#set(number, Slot.TransactionLow, packet.transactionLow);
    this.#set(number, Slot.TransactionHigh, packet.transactionHigh);
    this.#set(number, Slot.PacketType, packet.type);
    this.#set(number, Slot.WantsAnswer, wantsAnswer ? 1 : 0);
    this.#set(number, Slot.DataOffset, packet.dataOffset);
    this.#set(number, Slot.Length, packet.length);
    this.#set(number, Slot.WrittenUnit, 0);
    this.#bytes.set(packet.bytes.subarray(0, packet.length), this.packet(number));
    this.#words[NEXT] = (number + 1) | 0;
    return number;
  }

  /** The answer to the oldest request goes to this place of the ring. */
  beginSending(position: number): void {
    this.#words[SENDING] = this.oldest | 0;
    this.#words[SENT_TO] = position + 1;
  }

  /** It did not. */
  stopSending(): void {
    this.#words[SENT_TO] = 0;
  }

  /** After a start over what is there: an answer whose place in the ring is behind us was sent. */
  forgetSent(position: number): void {
    const sentTo = this.#words[SENT_TO] as number;
    const isOldest = this.#words[SENDING] === this.#words[OLDEST] && !this.isEmpty;
    if (sentTo !== 0 && sentTo !== position + 1 && isOldest) this.removeOldest();
    this.stopSending();
  }

  /** Where in the ring the packets begin that are not here yet; undefined when only the ring knows. */
  get receivePosition(): number | undefined {
    if (this.next !== 0) return this.#get((this.next - 1) >>> 0, Slot.Position);
    const start = this.#words[START] as number;
    return start < 0 ? undefined : start;
  }

  removeOldest(): void {
    this.#words[OLDEST] = (this.oldest + 1) | 0;
    this.stopSending();
  }

  /** Where in `view` a request's packet begins. */
  packet(number: number): number {
    return this.#slot(number) + PACKET;
  }

  /** Where in `view` a request's answer is made. */
  answer(number: number): number {
    return this.#slot(number) + ANSWER;
  }

  answerBytes(number: number): Uint8Array {
    return this.#answers[number % REQUEST_COUNT] as Uint8Array;
  }

  /** The unit that a request wrote to and whose disk has not settled; -1 when there is none. */
  writtenUnit(number: number): number {
    return this.#get(number, Slot.WrittenUnit) - 1;
  }

  setWrittenUnit(number: number, unit: number): void {
    this.#set(number, Slot.WrittenUnit, unit + 1);
  }

  packetType(number: number): number {
    return this.#get(number, Slot.PacketType);
  }

  wantsAnswer(number: number): boolean {
    return this.#get(number, Slot.WantsAnswer) !== 0;
  }

  dataOffset(number: number): number {
    return this.#get(number, Slot.DataOffset);
  }

  length(number: number): number {
    return this.#get(number, Slot.Length);
  }

  transactionLow(number: number): number {
    return this.#get(number, Slot.TransactionLow);
  }

  transactionHigh(number: number): number {
    return this.#get(number, Slot.TransactionHigh);
  }

  /** For a saved state: everything, when there is anything. */
  save(): Uint8Array | undefined {
    return this.isEmpty ? undefined : this.#bytes.slice();
  }

  restore(saved: Uint8Array | undefined): void {
    if (saved === undefined) this.clear();
    else this.#bytes.set(saved);
  }

  #slot(number: number): number {
    return HEADER_BYTES + (number % REQUEST_COUNT) * SLOT_BYTES;
  }

  #get(number: number, word: SlotWord): number {
    return (this.#words[(this.#slot(number) >> 2) + word] as number) >>> 0;
  }

  #set(number: number, word: SlotWord, value: number): void {
    this.#words[(this.#slot(number) >> 2) + word] = value | 0;
  }
}
