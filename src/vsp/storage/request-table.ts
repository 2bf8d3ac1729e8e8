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
import { struct, u32 } from '../../wire/struct.ts';

const HEADER_BYTES = 64;
const OLDEST = 0;
const NEXT = 1;
const SENDING = 2;
const SENT_TO = 3;
const START = 4;

const SlotHead = struct('storage request slot', 32, {
  /** Where in the ring the next packet begins. */
  position: u32,
  transactionLow: u32,
  transactionHigh: u32,
  packetType: u32,
  wantsAnswer: u32,
  /** Where in the packet its payload begins, and how long it is in all. */
  dataOffset: u32,
  length: u32,
  /** The unit that was written to and has not settled yet, plus one. */
  writtenUnit: u32,
});
const ANSWER = SlotHead.$size;
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
    const at = this.#slot(number);
    const { view } = this;
    SlotHead.position.set(view, at, packet.position);
    SlotHead.transactionLow.set(view, at, packet.transactionLow);
    SlotHead.transactionHigh.set(view, at, packet.transactionHigh);
    SlotHead.packetType.set(view, at, packet.type);
    SlotHead.wantsAnswer.set(view, at, wantsAnswer ? 1 : 0);
    SlotHead.dataOffset.set(view, at, packet.dataOffset);
    SlotHead.length.set(view, at, packet.length);
    SlotHead.writtenUnit.set(view, at, 0);
    this.#bytes.set(packet.bytes.subarray(0, packet.length), at + PACKET);
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
    if (this.next !== 0) return SlotHead.position.get(this.view, this.#slot((this.next - 1) >>> 0));
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
    return SlotHead.writtenUnit.get(this.view, this.#slot(number)) - 1;
  }

  setWrittenUnit(number: number, unit: number): void {
    SlotHead.writtenUnit.set(this.view, this.#slot(number), unit + 1);
  }

  packetType(number: number): number {
    return SlotHead.packetType.get(this.view, this.#slot(number));
  }

  wantsAnswer(number: number): boolean {
    return SlotHead.wantsAnswer.get(this.view, this.#slot(number)) !== 0;
  }

  dataOffset(number: number): number {
    return SlotHead.dataOffset.get(this.view, this.#slot(number));
  }

  length(number: number): number {
    return SlotHead.length.get(this.view, this.#slot(number));
  }

  transactionLow(number: number): number {
    return SlotHead.transactionLow.get(this.view, this.#slot(number));
  }

  transactionHigh(number: number): number {
    return SlotHead.transactionHigh.get(this.view, this.#slot(number));
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
}
