/**
 * The guest's receive buffer, cut into allocations of equal size: each holds one RNDIS message, and belongs to the
 * guest from the transfer packet that names it until the guest completes that packet. Control messages are kept here
 * until they are sent, too.
 */
import { NvspChannelType } from '../../protocols/nvsp.ts';
import type { GuestPages } from '../../vmbus/guest-pages.ts';
import { AllocationTable } from './allocations.ts';
import { type AdapterJournal, MAX_ALLOCATIONS, type NumberedControl } from './journal.ts';
import { ReceiveHead } from './receive-head.ts';
import { BATCH_FRAMES, type Range, type ReceiveQueue } from './receive-queue.ts';

/** Answers that wait for room; a guest has one request under way. */
export const MAX_CONTROL_MESSAGES = 16;
const MIN_ALLOCATIONS = 16;

export class ReceiveBuffer {
  readonly #journal: AdapterJournal;
  readonly #head = new ReceiveHead();
  #pages: GuestPages | undefined;
  #allocationBytes = 0;
  #allocations: AllocationTable;
  #controls: NumberedControl[] = [];
  #lastControl: number;
  /** Nothing is written to the guest. */
  isHeld = false;

  constructor(journal: AdapterJournal) {
    this.#journal = journal;
    this.#allocations = new AllocationTable(0, journal.allocations, true);
    this.#lastControl = journal.controlsSent;
  }

  get isThere(): boolean {
    return this.#pages !== undefined;
  }

  get allocationBytes(): number {
    return this.#allocationBytes;
  }

  get count(): number {
    return this.#allocations.count;
  }

  get freeCount(): number {
    return this.#allocations.freeCount;
  }

  /** What the guest is still to be told. */
  get controls(): readonly NumberedControl[] {
    return this.#controls;
  }

  /**
   * Cuts the guest's buffer; false when it is too small to be of use.
   * @param isTakenOver the guest holds what another thread has left
   */
  set(pages: GuestPages, bytes: number, isTakenOver: boolean): boolean {
    const count = Math.min(MAX_ALLOCATIONS, Math.floor(pages.byteCount / bytes));
    if (this.#pages !== undefined || count < MIN_ALLOCATIONS) return false;
    this.#pages = pages;
    this.#allocationBytes = bytes;
    this.#allocations = new AllocationTable(count, this.#journal.allocations, isTakenOver);
    return true;
  }

  /** The guest takes it back, or is gone. */
  clear(): void {
    this.#pages = undefined;
    this.#allocations = new AllocationTable(0, this.#journal.allocations);
    this.#controls = [];
  }

  /** Allocations that the guest holds, by transfer. */
  transfers(): number[][] {
    return this.#allocations.transfers();
  }

  /** @param taken allocations that wait to be sent */
  restore(transfers: readonly (readonly number[])[], taken: readonly number[], controls: readonly Uint8Array[]): void {
    this.#allocations.restore(transfers, taken);
    for (const message of controls) this.#controls.push({ number: ++this.#lastControl, message: message.slice() });
  }

  /** What another thread has not sent. */
  takeOver(controls: readonly NumberedControl[]): void {
    const { controlsSent } = this.#journal;
    this.#controls = controls.filter(({ number }) => number > controlsSent);
    this.#lastControl = Math.max(controlsSent, ...controls.map(({ number }) => number));
  }

  // Hot path: one a message. Allocates the entry of a range and the views of guest memory.
  /** Puts a message into a free allocation; there must be one. It waits to be sent then. */
  place(queue: ReceiveQueue, source: Uint8Array, at: number, length: number, verdict: number, part = 0): void {
    const pages = this.#pages as GuestPages;
    const headBytes = this.#head.write(length, verdict, part);
    const allocation = this.#allocations.take();
    const position = allocation * this.#allocationBytes;
    pages.write(position, this.#head.bytes, 0, headBytes);
    pages.write(position + headBytes, source, at, length);
    queue.pending.push({ allocation, bytes: headBytes + length });
  }

  sendFrames(queue: ReceiveQueue): void {
    while (queue.pending.length > 0 && !this.isHeld) {
      if (!this.#send(queue, queue.pending.slice(0, BATCH_FRAMES))) return;
      queue.pending = queue.pending.slice(BATCH_FRAMES);
    }
  }

  /** The guest is through with a transfer. False: there is none of that number. */
  completed(low: number, high: number): boolean {
    return high === 0 && this.#allocations.end(low - 1);
  }

  /** Keeps an answer or indication, to be sent by `sendControls`; false when too many wait already. */
  addControl(message: Uint8Array): boolean {
    if (this.#controls.length >= MAX_CONTROL_MESSAGES || message.length > this.#allocationBytes) return false;
    this.#controls.push({ number: ++this.#lastControl, message });
    return true;
  }

  /** @param queue the first channel */
  sendControls(queue: ReceiveQueue): void {
    while (this.#controls.length > 0 && this.#allocations.freeCount > 0 && !this.isHeld) {
      const { number, message } = this.#controls[0] as NumberedControl;
      const first = this.#allocations.top;
      const journal = this.#journal.queues[0];
      this.#pages?.write(first * this.#allocationBytes, message, 0, message.length);
      this.#allocations.link([first]);
      journal?.beginControl(first, number, queue.channel?.sendPosition ?? 0);
      const ranges = [{ allocation: first, bytes: message.length }];
      const isSent = queue.send(NvspChannelType.Control, ranges, this.#allocationBytes);
      if (isSent) {
        this.#allocations.take();
        this.#allocations.hold(first);
        this.#journal.controlsSent = number;
        this.#controls.shift();
      }
      journal?.stopSending();
      if (!isSent) return;
    }
  }

  #send(queue: ReceiveQueue, ranges: readonly Range[]): boolean {
    const first = (ranges[0] as Range).allocation;
    const journal = this.#journal.queues[queue.index];
    this.#allocations.link(ranges.map(({ allocation }) => allocation));
    journal?.beginTransfer(first, queue.channel?.sendPosition ?? 0);
    const isSent = queue.send(NvspChannelType.Data, ranges, this.#allocationBytes);
    if (isSent) this.#allocations.hold(first);
    journal?.stopSending();
    return isSent;
  }
}
