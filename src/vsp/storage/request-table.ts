/**
 * The requests that a guest has made on one channel and we have not answered, in shared memory: they outlive the thread
 * that serves them. A packet is copied here whole before anybody looks at it, and its answer is made here; a service
 * that starts again finds both. Answers may go in another order than requests came.
 */

import { VSTOR_PACKET_SIZE } from '../../protocols/storvsc.ts';
import { PacketSlots, SLOTS_HEADER_BYTES, type TakenPacket } from '../../vmbus/packet-slots.ts';

/** The words of a slot before the answer, beside those that every slot has. */
const Slot = {
  /** 1 when it was acted upon and its answer made. */
  Acted: 2,
  /** The unit that was written to and has not settled yet, plus one. */
  WrittenUnit: 3,
  PacketType: 7,
  WantsAnswer: 8,
  /** Where in the packet its payload begins, and how long it is in all. */
  DataOffset: 9,
  Length: 10,
} as const;
const ANSWER = 64;
const PACKET = ANSWER + VSTOR_PACKET_SIZE;
const SLOT_BYTES = 1024;
const SLOT_SHIFT = 10;

export const REQUEST_COUNT = 256;
/** The longest packet that finds room. */
export const MAX_REQUEST_BYTES = SLOT_BYTES - PACKET;
export const REQUEST_TABLE_BYTES = SLOTS_HEADER_BYTES + REQUEST_COUNT * SLOT_BYTES;

/** A packet of the ring, as the channel shows it. */
export interface IncomingPacket extends TakenPacket {
  readonly bytes: Uint8Array;
  readonly type: number;
  readonly flags: number;
  readonly dataOffset: number;
  readonly length: number;
}

export class RequestTable extends PacketSlots {
  readonly view: DataView;
  readonly #bytes: Uint8Array;
  readonly #answers: Uint8Array[] = [];

  /** @param buffer of REQUEST_TABLE_BYTES: zeros, or what another thread has left. */
  constructor(buffer: SharedArrayBuffer) {
    super({ buffer, slotCount: REQUEST_COUNT, slotBytes: SLOT_BYTES });
    this.view = new DataView(buffer);
    this.#bytes = new Uint8Array(buffer);
    for (let slot = 0; slot < REQUEST_COUNT; slot++) {
      this.#answers.push(new Uint8Array(buffer, SLOTS_HEADER_BYTES + slot * SLOT_BYTES + ANSWER, VSTOR_PACKET_SIZE));
    }
  }

  /**
   * Another thread has ended over what is here. An answer whose place in the ring is behind us was sent. What may not
   * have settled is done again; other answers stand.
   * @param sendPosition where in the ring the next answer goes.
   */
  takeOver(sendPosition: number): void {
    const sent = this.sentUnnoticed(sendPosition) - 1;
    if (sent >= 0 && this.isOpen(sent)) this.answered(sent);
    this.stopSending();
    this.rebuild();
    for (let i = 0; i < this.count; i++) {
      const slot = this.slotAt(i);
      if (this.writtenUnit(slot) < 0) continue;
      this.set(slot, Slot.Acted, 0);
      this.setWrittenUnit(slot, -1);
    }
  }

  // Hot path: each once a request. A view of the packet is all that is allocated.

  /** Copies a packet; its slot. The table is not full, and the packet not too long. */
  add(packet: IncomingPacket, wantsAnswer: boolean): number {
    const slot = this.next();
    this.set(slot, Slot.PacketType, packet.type);
    this.set(slot, Slot.WantsAnswer, wantsAnswer ? 1 : 0);
    this.set(slot, Slot.DataOffset, packet.dataOffset);
    this.set(slot, Slot.Length, packet.length);
    this.set(slot, Slot.WrittenUnit, 0);
    this.set(slot, Slot.Acted, 0);
    this.#bytes.set(packet.bytes.subarray(0, packet.length), this.packet(slot));
    this.take(slot, packet);
    return slot;
  }

  /** The answer goes to this place of the ring. */
  beginAnswering(slot: number, position: number): void {
    this.beginSending(slot + 1, position);
  }

  /** The request is answered. It leaves the order with the next `forgetFinished`. */
  answered(slot: number): void {
    this.finish(slot);
    this.stopSending();
  }

  /** Where in `view` a request's packet begins. */
  packet(slot: number): number {
    return SLOTS_HEADER_BYTES + (slot << SLOT_SHIFT) + PACKET;
  }

  /** Where in `view` a request's answer is made. */
  answer(slot: number): number {
    return SLOTS_HEADER_BYTES + (slot << SLOT_SHIFT) + ANSWER;
  }

  answerBytes(slot: number): Uint8Array {
    return this.#answers[slot] as Uint8Array;
  }

  isActed(slot: number): boolean {
    return this.get(slot, Slot.Acted) !== 0;
  }

  /** Its answer is made, but for what settling may change. */
  setActed(slot: number): void {
    this.store(slot, Slot.Acted, 1);
  }

  /** The unit that a request wrote to and whose disk has not settled; -1 when there is none. */
  writtenUnit(slot: number): number {
    return this.get(slot, Slot.WrittenUnit) - 1;
  }

  setWrittenUnit(slot: number, unit: number): void {
    this.store(slot, Slot.WrittenUnit, unit + 1);
  }

  packetType(slot: number): number {
    return this.get(slot, Slot.PacketType);
  }

  wantsAnswer(slot: number): boolean {
    return this.get(slot, Slot.WantsAnswer) !== 0;
  }

  dataOffset(slot: number): number {
    return this.get(slot, Slot.DataOffset);
  }

  length(slot: number): number {
    return this.get(slot, Slot.Length);
  }

  /** For a saved state: everything, or no bytes when nothing is unanswered. */
  save(): Uint8Array {
    return this.count === 0 ? new Uint8Array(0) : this.#bytes.slice();
  }

  /** @throws Error when the state makes no sense. */
  restore(saved: Uint8Array): void {
    if (saved.length === 0) {
      this.clear();
      return;
    }
    if (saved.length !== REQUEST_TABLE_BYTES) throw new Error('its storage requests are not as many as they should be');
    this.#bytes.set(saved);
    this.rebuild();
    for (let i = 0; i < this.count; i++) {
      const slot = this.slotAt(i);
      const [offset, length] = [this.dataOffset(slot), this.length(slot)];
      const isRight = offset >= 0 && offset <= length && length <= MAX_REQUEST_BYTES;
      if (!isRight || this.count >= REQUEST_COUNT) throw new Error('its storage requests make no sense');
    }
  }
}
