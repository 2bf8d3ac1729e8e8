/**
 * What of an adapter outlives the thread that serves it, in shared memory: packets of the guest that were taken and are
 * not answered, by channel; who has which allocation of the receive buffer; what guest and host agreed on; counters.
 * Frames are not in it: a network may lose some, and none comes twice.
 *
 * A thread may end between any two stores. What is agreed on changes with a packet, and is written, with the packet,
 * before that is taken: it was either not looked at or its answer is known.
 */
import { SharedValue, sharedValueBytes } from '../../kit/shared-value.ts';
import type { AdapterState } from './adapter.ts';
import { QUEUE_JOURNAL_BYTES, QueueJournal } from './queue-journal.ts';
import { COUNTER_COUNT } from './statistics.ts';

/** Allocations of a receive buffer; Linux makes 18,811 at most. */
export const MAX_ALLOCATIONS = 0x8000;
/** Answers and indications that wait are 16 of a few hundred bytes. */
const MAX_CONTROL_BYTES = 0x8000;
const HEADER_BYTES = 64;
const COUNTERS = HEADER_BYTES;
const NEXT = COUNTERS + COUNTER_COUNT * 8;
const IS_FIRST = NEXT + MAX_ALLOCATIONS * 4;
const CONTROL = IS_FIRST + MAX_ALLOCATIONS;
const QUEUES = CONTROL + sharedValueBytes(MAX_CONTROL_BYTES);

const CONTROLS_SENT = 0;
const CONNECTED = 1;

/** A message to the guest, with its number. */
export interface NumberedControl {
  readonly number: number;
  readonly message: Uint8Array;
}

/** A packet whose effects are in the state beside it. */
export interface ControlPacket {
  readonly queue: number;
  /** Its number among the packets of its channel. */
  readonly sequence: number;
  readonly transactionLow: number;
  readonly transactionHigh: number;
  readonly position: number;
  readonly answer: Uint8Array | undefined;
}

/** What guest and host agreed on, and what the guest is still to be told. */
export interface ControlState {
  readonly nvspVersion: number;
  readonly frameBytes: number;
  readonly receiveGpadl: number | undefined;
  readonly sendGpadl: number | undefined;
  readonly subChannels: number;
  readonly allocationBytes: number;
  readonly adapter: AdapterState;
  readonly controls: readonly NumberedControl[];
  /** The packet with which it became so; undefined when it was something else. */
  readonly packet: ControlPacket | undefined;
}

/** Who has which allocation: for each the next one of its transfer, and which ones begin a transfer that is held. */
export interface AllocationMemory {
  readonly next: Int32Array;
  readonly isFirst: Uint8Array;
}

export class AdapterJournal {
  readonly buffer: SharedArrayBuffer;
  readonly counters: Float64Array;
  readonly allocations: AllocationMemory;
  readonly control: SharedValue<ControlState>;
  /** By channel. */
  readonly queues: readonly QueueJournal[];
  readonly #words: Int32Array;

  /** @param buffer what another thread has left, for as many channels; a new one by default. */
  constructor(queueCount: number, buffer = new SharedArrayBuffer(QUEUES + queueCount * QUEUE_JOURNAL_BYTES)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, HEADER_BYTES >>> 2);
    this.counters = new Float64Array(buffer, COUNTERS, COUNTER_COUNT);
    this.allocations = {
      next: new Int32Array(buffer, NEXT, MAX_ALLOCATIONS), isFirst: new Uint8Array(buffer, IS_FIRST, MAX_ALLOCATIONS),
    };
    this.control = new SharedValue(buffer, CONTROL, MAX_CONTROL_BYTES);
    this.queues = Array.from({ length: queueCount }, (_, index) =>
      new QueueJournal(buffer, QUEUES + index * QUEUE_JOURNAL_BYTES));
  }

  /** The number of the last control message that the guest was sent. */
  get controlsSent(): number {
    return this.#words[CONTROLS_SENT] as number;
  }

  set controlsSent(number: number) {
    Atomics.store(this.#words, CONTROLS_SENT, number);
  }

  /** Whether the network is there. */
  get isConnected(): boolean {
    return this.#words[CONNECTED] === 1;
  }

  set isConnected(isConnected: boolean) {
    this.#words[CONNECTED] = isConnected ? 1 : 0;
  }

  /** A thread has ended: takes the packet whose effects are written, if that was not done. The channels are closed. */
  settle(): void {
    const packet = this.control.read()?.packet;
    const queue = packet && this.queues[packet.queue];
    if (packet === undefined || queue?.nextSequence !== packet.sequence) return;
    if (packet.answer !== undefined) queue.addAnswered(packet, packet.answer);
    else queue.finish(queue.add(packet));
  }

  /**
   * After `settle`: what was sent or given back, and not noted, is noted.
   * @param sendPositions where in the ring of each channel the next packet to the guest goes; undefined: it is closed
   */
  takeOver(sendPositions: readonly (number | undefined)[]): void {
    const { isFirst } = this.allocations;
    this.queues.forEach((queue, index) => {
      const sendPosition = sendPositions[index];
      if (sendPosition === undefined) return;
      const sent = queue.takeOver(sendPosition);
      if (sent.kind !== 'nothing') isFirst[sent.first] = 1;
      if (sent.kind === 'control') this.#noteSent(sent.isNumber);
      queue.stopSending();
      for (let i = 0; i < queue.count; i++) {
        const slot = queue.slotAt(i);
        if (!queue.isReturn(slot)) continue;
        const first = queue.transactionLow(slot) - 1;
        if (queue.transactionHigh(slot) === 0 && first >= 0 && first < MAX_ALLOCATIONS) isFirst[first] = 0;
        queue.finish(slot);
      }
      queue.forgetFinished();
    });
  }

  #noteSent(isNumber: (number: number) => boolean): void {
    const sent = this.control.read()?.controls.find(({ number }) => number > this.controlsSent && isNumber(number));
    if (sent !== undefined) this.controlsSent = sent.number;
  }

  /** Transfers that the guest holds. */
  get heldTransfers(): number {
    return this.allocations.isFirst.reduce((sum, isFirst) => sum + isFirst, 0);
  }

  /** Packets of the guest that are not done with, as another thread may count them. */
  get unanswered(): number {
    return this.queues.reduce((sum, queue) => sum + queue.openCount, 0);
  }

  /** The guest's driver is gone, and its channels with it. */
  clear(): void {
    this.control.clear();
    for (const queue of this.queues) queue.clear();
    this.allocations.isFirst.fill(0);
  }
}
