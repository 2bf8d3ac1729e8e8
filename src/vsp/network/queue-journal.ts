/**
 * The packets of one channel that are not answered, in shared memory, and what is being sent to the guest. A packet is
 * a request of the guest (a frame to send, or a message), or gives back what the guest was given.
 */
import { NVSP_MESSAGE_SIZE } from '../../protocols/nvsp.ts';
import { PacketSlots, SLOTS_HEADER_BYTES, type TakenPacket } from '../../vmbus/packet-slots.ts';

const SlotKind = { Request: 0, Return: 1 } as const;
/** Beside those that every slot has. */
const Slot = {
  Kind: 2,
  /** The length of the answer plus one; 0 while there is none. */
  AnswerBytes: 3,
} as const;
const ANSWER = 64;
const SLOT_BYTES = 128;
/** More than can wait for the network, for room in the ring, and be taken in one turn. */
const SLOT_COUNT = 512;

/** What is sent besides answers: transfers by their first allocation from here on. */
const TRANSFER = 0x1000;
/** And a control message by the end of its number, plus one, above its allocation. */
const CONTROL_SHIFT = 16;
const NUMBER_MASK = 0x3fff;

export const QUEUE_JOURNAL_BYTES = SLOTS_HEADER_BYTES + SLOT_COUNT * SLOT_BYTES;

/** A packet to the guest that was sent, though whoever sent it ended before that was noted. */
export type SentPacket =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'frames'; readonly first: number }
  | { readonly kind: 'control'; readonly first: number; readonly isNumber: (number: number) => boolean };

export class QueueJournal extends PacketSlots {
  readonly #bytes: Uint8Array;

  /** @param offset where in the buffer its QUEUE_JOURNAL_BYTES begin. */
  constructor(buffer: SharedArrayBuffer, offset: number) {
    super({ buffer, offset, slotCount: SLOT_COUNT, slotBytes: SLOT_BYTES });
    this.#bytes = new Uint8Array(buffer, offset + SLOTS_HEADER_BYTES, SLOT_COUNT * SLOT_BYTES);
  }

  // Hot path: each once a packet.

  /** Takes a request; its slot. */
  add(packet: TakenPacket): number {
    const slot = this.next();
    this.set(slot, Slot.Kind, SlotKind.Request);
    this.set(slot, Slot.AnswerBytes, 0);
    this.take(slot, packet);
    return slot;
  }

  /** Takes a packet that gives back a transfer; its slot. */
  addReturn(packet: TakenPacket): number {
    const slot = this.next();
    this.set(slot, Slot.Kind, SlotKind.Return);
    this.take(slot, packet);
    return slot;
  }

  /** Takes a request whose answer is known already; its slot. */
  addAnswered(packet: TakenPacket, answer: Uint8Array): number {
    const slot = this.next();
    this.set(slot, Slot.Kind, SlotKind.Request);
    this.setAnswer(slot, answer);
    this.take(slot, packet);
    return slot;
  }

  setAnswer(slot: number, answer: Uint8Array): void {
    const bytes = answer.length > NVSP_MESSAGE_SIZE ? answer.subarray(0, NVSP_MESSAGE_SIZE) : answer;
    this.#bytes.set(bytes, slot * SLOT_BYTES + ANSWER);
    this.store(slot, Slot.AnswerBytes, bytes.length + 1);
  }

  /** Undefined while there is none. */
  answerOf(slot: number): Uint8Array | undefined {
    const length = this.get(slot, Slot.AnswerBytes) - 1;
    const at = slot * SLOT_BYTES + ANSWER;
    return length < 0 ? undefined : this.#bytes.slice(at, at + length);
  }

  isReturn(slot: number): boolean {
    return this.get(slot, Slot.Kind) === SlotKind.Return;
  }

  beginAnswering(slot: number, position: number): void {
    this.beginSending(slot + 1, position);
  }

  beginTransfer(first: number, position: number): void {
    this.beginSending(TRANSFER + first, position);
  }

  beginControl(first: number, number: number, position: number): void {
    this.beginSending((((number & NUMBER_MASK) + 1) << CONTROL_SHIFT) | first, position);
  }

  /**
   * Another thread has ended over what is here. An answer that was sent is done with; what else was sent is told.
   * @param sendPosition where in the ring the next packet to the guest goes.
   */
  takeOver(sendPosition: number): SentPacket {
    const sent = this.sentUnnoticed(sendPosition);
    if (sent > 0 && sent < TRANSFER && this.isOpen(sent - 1)) this.finish(sent - 1);
    this.rebuild();
    if (sent < TRANSFER) return { kind: 'nothing' };
    const last = (sent >>> CONTROL_SHIFT) - 1;
    if (last < 0) return { kind: 'frames', first: sent - TRANSFER };
    const first = sent & (2 ** CONTROL_SHIFT - 1);
    return { kind: 'control', first, isNumber: (number) => (number & NUMBER_MASK) === last };
  }
}
