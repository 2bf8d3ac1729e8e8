/**
 * A processor's synthetic interrupt controller: its registers and the last step of a message, into the guest's slot
 * [TLFS 11]. Messages of services wait for their slot in queues (`SynicPort` fills them), expired timers with the
 * timers; both are looked at again when the guest writes EOM.
 *
 * The registers are written on the processor's own thread. SIMP and SIEFP pages are ordinary RAM of the guest.
 */
import { PAGE_ENABLE, Sint } from '../protocols/tlfs/msrs.ts';
import {
  EVENT_FLAGS_SIZE, MESSAGE_PENDING, MESSAGE_SLOT_SIZE, MessageHeader, MessageType, SINT_COUNT,
} from '../protocols/tlfs/synic.ts';
import type { ControlBuffer } from './control-buffer.ts';
import { DeliveryMode } from './device-port.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { InterruptRouter } from './interrupt-router.ts';
import { LOWEST_VECTOR } from './local-apic-layout.ts';
import { doorbellOf, MessageRing } from './message-ring.ts';
import { QUEUE_COUNT } from './messaging-layout.ts';
import { VpControl, VpRegisters } from './partition-layout.ts';

const AUTO_EOI = VpRegisters.autoEoi.offset >> 2;
const S_CONTROL = VpRegisters.sControl.offset >> 2;
const SIMP = VpRegisters.simp.offset >> 2;
const SINTS = VpRegisters.sints.offset >> 2;
const SIEFP = VpRegisters.siefp.offset >> 2;
const FLAGGED_SINTS = VpControl.flaggedSints.offset >> 2;
const QUEUED_SINTS = VpControl.queuedSints.offset >> 2;

/** What became of a message: in the slot, to be tried again after EOM, or dropped because nobody listens. */
export const MessageDelivery = { Delivered: 0, SlotBusy: 1, NoListener: 2 } as const;
export type MessageDelivery = (typeof MessageDelivery)[keyof typeof MessageDelivery];

export class SyntheticInterruptController {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #index: number;
  readonly #memory: GuestMemory;
  readonly #memoryWords: Int32Array<SharedArrayBuffer>;
  readonly #router: InterruptRouter;
  readonly #control: ControlBuffer;
  readonly #controlAt: number;
  readonly #queues: MessageRing[] = [];

  constructor(options: { control: ControlBuffer; index: number; memory: GuestMemory; router: InterruptRouter }) {
    this.#words = options.control.words;
    this.#at = options.control.vpRegistersWord(options.index);
    this.#index = options.index;
    this.#memory = options.memory;
    this.#memoryWords = new Int32Array(options.memory.buffer);
    this.#router = options.router;
    this.#control = options.control;
    this.#controlAt = options.control.vpControlWord(options.index);
    for (let sint = 0; sint < SINT_COUNT; sint++) {
      const offset = options.control.queueOffset(options.index, sint);
      this.#queues.push(new MessageRing(options.control, offset, QUEUE_COUNT));
    }
  }

  /** Writes SINT `sint`; false (#GP) for a vector that no local APIC takes, unless it is masked. */
  writeSint(sint: number, low: number, high: number): boolean {
    if ((low & Sint.VectorMask) < LOWEST_VECTOR && (low & Sint.Masked) === 0) return false;
    const at = this.#at + SINTS + sint * 2;
    this.#words[at] = low;
    this.#words[at + 1] = high;
    this.#collectAutoEoi();
    return true;
  }

  /** Raises SINT `sint` if it is unmasked. Any thread. */
  raise(sint: number): void {
    const low = this.#words[this.#at + SINTS + sint * 2] as number;
    if ((low & Sint.Masked) === 0) this.#router.deliver(this.#index, DeliveryMode.Fixed, low & Sint.VectorMask, false);
  }

  /**
   * Puts a message in the slot of `sint` and raises it. The type is written last: the guest takes the slot as full
   * from then on. When the slot is full the guest is asked to write EOM; it may have emptied it just before it could
   * see that, so the slot is looked at once more.
   */
  deliver(sint: number, messageType: number, payload: Uint8Array): MessageDelivery {
    const isListening = ((this.#words[this.#at + S_CONTROL] as number) & 1) !== 0 &&
      ((this.#words[this.#at + SINTS + sint * 2] as number) & Sint.Masked) === 0;
    const slot = this.#areaOf(SIMP, sint, MESSAGE_SLOT_SIZE);
    if (!isListening || slot < 0) return MessageDelivery.NoListener;
    const type = new Int32Array(this.#memory.buffer, slot + MessageHeader.messageType.offset, 1);
    if (Atomics.load(type, 0) !== MessageType.None) {
      const view = this.#memory.view;
      const flags = MessageHeader.messageFlags.get(view, slot);
      MessageHeader.messageFlags.set(view, slot, flags | MESSAGE_PENDING);
      if (Atomics.load(type, 0) !== MessageType.None) return MessageDelivery.SlotBusy;
    }
    this.#fill(slot, payload);
    Atomics.store(type, 0, messageType | 0);
    this.raise(sint);
    return MessageDelivery.Delivered;
  }

  /** Something of the services may wait: cheap enough to ask before every slice. */
  get hasPending(): boolean {
    const words = this.#words;
    const at = this.#controlAt;
    return (Atomics.load(words, at + QUEUED_SINTS) | Atomics.load(words, at + FLAGGED_SINTS)) !== 0;
  }

  /** Own thread: what waits goes into the guest's pages. Flags first, as cheap as they are frequent. */
  deliverPending(): void {
    if (Atomics.load(this.#words, this.#controlAt + FLAGGED_SINTS) !== 0) this.#deliverFlags();
    if (Atomics.load(this.#words, this.#controlAt + QUEUED_SINTS) !== 0) this.deliverQueued();
  }

  // Hot path: one a batch of packets to the guest. No allocation.
  /** Sets the flags in the guest's page, and raises each SINT for which one was clear. */
  #deliverFlags(): void {
    const sints = Atomics.exchange(this.#words, this.#controlAt + FLAGGED_SINTS, 0);
    for (let sint = 0; sint < SINT_COUNT; sint++) {
      if ((sints & (1 << sint)) === 0) continue;
      const area = this.#areaOf(SIEFP, sint, EVENT_FLAGS_SIZE);
      const pending = this.#control.flagsWord(this.#index, sint);
      let isNew = false;
      for (let i = 0; i < EVENT_FLAGS_SIZE / 4; i++) {
        if (Atomics.load(this.#words, pending + i) === 0) continue;
        const flags = Atomics.exchange(this.#words, pending + i, 0);
        if (area >= 0 && (flags & ~Atomics.or(this.#memoryWords, (area >>> 2) + i, flags)) !== 0) isNew = true;
      }
      if (isNew) this.raise(sint);
    }
  }

  /** Buffer offset of a SINT's part of the page that a register names, or -1 when there is none. */
  #areaOf(register: number, sint: number, size: number): number {
    const low = this.#words[this.#at + register] as number;
    if ((low & PAGE_ENABLE) === 0) return -1;
    const page = (this.#words[this.#at + register + 1] as number >>> 0) * 0x1_0000_0000 + ((low & ~0xfff) >>> 0);
    return this.#memory.offsetOf(page + sint * size, size);
  }

  /**
   * Own thread: moves the oldest message of each queue into its slot. A guest takes one message an interrupt, so it is
   * asked for EOM when more wait. Messages for which nobody listens any more are dropped.
   */
  deliverQueued(): void {
    // Cleared first: a sender that comes meanwhile sets its bit again, and wakes this processor.
    const sints = Atomics.exchange(this.#words, this.#controlAt + QUEUED_SINTS, 0);
    for (let sint = 0; sint < SINT_COUNT; sint++) {
      if ((sints & (1 << sint)) !== 0) this.#deliverFrom(sint, this.#queues[sint] as MessageRing);
    }
  }

  #deliverFrom(sint: number, queue: MessageRing): void {
    for (let message = queue.peek(); message !== undefined; message = queue.peek()) {
      const delivery = this.deliver(sint, message.messageType, message.payload);
      if (delivery === MessageDelivery.SlotBusy) {
        Atomics.or(this.#words, this.#controlAt + QUEUED_SINTS, 1 << sint);
        return;
      }
      const bell = queue.drop();
      if (bell >= 0) doorbellOf(this.#control, bell).ring();
    }
  }

  #fill(slot: number, payload: Uint8Array): void {
    const view = this.#memory.view;
    MessageHeader.payloadSize.set(view, slot, payload.length);
    MessageHeader.messageFlags.set(view, slot, 0);
    MessageHeader.reserved.set(view, slot, 0);
    MessageHeader.senderLow.set(view, slot, 0);
    MessageHeader.senderHigh.set(view, slot, 0);
    new Uint8Array(this.#memory.buffer, slot + MessageHeader.$size, payload.length).set(payload);
  }

  /** Vectors whose SINT ends the interrupt by itself never stay in service. */
  #collectAutoEoi(): void {
    for (let i = 0; i < 8; i++) this.#words[this.#at + AUTO_EOI + i] = 0;
    for (let sint = 0; sint < SINT_COUNT; sint++) {
      const low = this.#words[this.#at + SINTS + sint * 2] as number;
      if ((low & Sint.Masked) !== 0 || (low & Sint.AutoEoi) === 0) continue;
      const word = this.#at + AUTO_EOI + ((low & Sint.VectorMask) >> 5);
      this.#words[word] = (this.#words[word] as number) | (1 << (low & 31));
    }
  }
}
