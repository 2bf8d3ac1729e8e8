/**
 * What a debugger outside the guest asks of the engine: breakpoints and watchpoints at linear addresses, as lists in
 * the memory of each processor. Only while that processor is paused; it takes them up when it runs again.
 */

import {
  BREAKPOINT_LIST, BREAKPOINT_MOST, DEBUG_BREAKPOINTS, DEBUG_HIT, DEBUG_ONCE, DEBUG_WATCHPOINTS, EXIT_REQUEST,
  REQUEST_FORGET, WATCH_READ, WATCH_WRITE, WATCHPOINT_LIST, WATCHPOINT_MOST, WATCHPOINT_SIZE,
} from './core/layout.ts';
import { type EngineMemoryHandle, processorAddress } from './memory-handle.ts';

export const MOST_BREAKPOINTS = BREAKPOINT_MOST;
export const MOST_WATCHPOINTS = WATCHPOINT_MOST;

export interface Watchpoint {
  readonly address: bigint;
  readonly length: number;
  readonly read: boolean;
  readonly write: boolean;
}

export class EngineDebugger {
  readonly #view: DataView;
  readonly #words: Int32Array;
  readonly #at: number;

  constructor(handle: EngineMemoryHandle, processor: number) {
    this.#view = new DataView(handle.memory.buffer);
    this.#words = new Int32Array(handle.memory.buffer);
    this.#at = processorAddress(processor);
  }

  /** At most MOST_BREAKPOINTS. Code that was decoded without them is forgotten. */
  setBreakpoints(addresses: readonly bigint[]): void {
    addresses.forEach((address, n) => this.#view.setBigUint64(this.#at + BREAKPOINT_LIST + n * 8, address, true));
    this.#put(DEBUG_BREAKPOINTS, addresses.length);
    this.#forget();
  }

  /** At most MOST_WATCHPOINTS. While there are any the processor runs slowly, one instruction at a time. */
  setWatchpoints(watchpoints: readonly Watchpoint[]): void {
    watchpoints.forEach(({ address, length, read, write }, n) => {
      const at = this.#at + WATCHPOINT_LIST + n * WATCHPOINT_SIZE;
      this.#view.setBigUint64(at, address, true);
      this.#view.setUint32(at + 8, length, true);
      this.#view.setUint32(at + 12, (read ? WATCH_READ : 0) | (write ? WATCH_WRITE : 0), true);
    });
    this.#put(DEBUG_WATCHPOINTS, watchpoints.length);
    this.#put(DEBUG_HIT, 0);
    this.#forget();
  }

  /** Stops the processor, when it runs again, after its next instruction: also when it has to be woken first. */
  stopAfterOne(on: boolean): void {
    this.#put(DEBUG_ONCE, on ? 1 : 0);
    this.#forget();
  }

  /** The number of the watchpoint that stopped the processor, once. */
  takeHit(): number | undefined {
    const hit = this.#view.getUint32(this.#at + DEBUG_HIT, true);
    this.#put(DEBUG_HIT, 0);
    return hit === 0 ? undefined : hit - 1;
  }

  /** Decoded code and the TLB know nothing of the change yet. */
  #forget(): void {
    Atomics.or(this.#words, (this.#at + EXIT_REQUEST) >>> 2, REQUEST_FORGET);
  }

  #put(field: number, value: number): void {
    this.#view.setUint32(this.#at + field, value, true);
  }
}
