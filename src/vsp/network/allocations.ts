/**
 * Who has which allocation of a receive buffer: free ones, and for each transfer the chain of those that the guest
 * holds until it completes the transfer. A transfer is known by its first allocation. What the guest holds is in
 * memory that outlives this thread; everything else is free.
 */
import type { AllocationMemory } from './journal.ts';

export class AllocationTable {
  readonly count: number;
  freeCount: number;
  /** A stack of what is free; for each allocation the next one of its transfer; which ones begin a transfer. */
  readonly #free: Int32Array;
  readonly #next: Int32Array;
  readonly #isFirst: Uint8Array;

  /** A table of which nothing is held, or, `isTakenOver`, what another thread has left. */
  constructor(count: number, memory: AllocationMemory, isTakenOver = false) {
    this.count = count;
    this.freeCount = count;
    this.#free = Int32Array.from({ length: count }, (_, i) => count - 1 - i);
    this.#next = memory.next;
    this.#isFirst = memory.isFirst;
    if (isTakenOver) this.#keep(this.transfers(), []);
    else this.#isFirst.fill(0);
  }

  /** The one that `take` would give; there must be one. */
  get top(): number {
    return this.#free[this.freeCount - 1] as number;
  }

  /** A free one; there must be one. */
  take(): number {
    return this.#free[--this.freeCount] as number;
  }

  /** Those taken ones will be a transfer. */
  link(transfer: readonly number[]): void {
    for (let i = 0; i < transfer.length; i++) this.#next[transfer[i] as number] = transfer[i + 1] ?? -1;
  }

  /** The guest holds the transfer that begins there. */
  hold(first: number): void {
    Atomics.store(this.#isFirst, first, 1);
  }

  /** Frees a transfer. False: there is none that begins there. */
  end(first: number): boolean {
    if (first < 0 || first >= this.count || this.#isFirst[first] === 0) return false;
    Atomics.store(this.#isFirst, first, 0);
    for (let allocation = first; allocation >= 0; allocation = this.#next[allocation] as number) {
      this.#free[this.freeCount++] = allocation;
    }
    return true;
  }

  transfers(): number[][] {
    const transfers: number[][] = [];
    this.#isFirst.forEach((isFirst, first) => {
      if (isFirst === 0) return;
      const transfer: number[] = [];
      for (let each = first; each >= 0; each = this.#next[each] as number) transfer.push(each);
      transfers.push(transfer);
    });
    return transfers;
  }

  /** Of a new table. @param taken those that are taken and in no transfer yet */
  restore(transfers: readonly (readonly number[])[], taken: readonly number[]): void {
    this.#keep(transfers, taken);
    for (const transfer of transfers) {
      this.link(transfer);
      this.hold(transfer[0] as number);
    }
  }

  #keep(transfers: readonly (readonly number[])[], taken: readonly number[]): void {
    const held = new Set([...transfers.flat(), ...taken]);
    const free = [...this.#free].filter((each) => !held.has(each));
    this.#free.set(free);
    this.freeCount = free.length;
  }
}
