/** What the main thread and a thread that serves devices say to each other, whatever the devices are. */

import type { MessagePort } from 'node:worker_threads';
import type { EngineMemoryHandle } from '../engine/memory-handle.ts';
import type { SavedMemory } from './saved-state/memory-source.ts';

/** The words of a buffer that both threads have. */
export const ServiceWord = {
  /** The number of the last command that was carried out. */
  Acknowledged: 0,
  /** Counts what the thread does. */
  Progress: 1,
  /** 1 while the thread has nothing to do. */
  Idle: 2,
  Count: 3,
} as const;

/** What a thread needs to reach the guest. */
export interface ServiceMachineData {
  readonly engine: EngineMemoryHandle;
  /** Guest memory that arrives as it is needed, of a guest that is being restored. */
  readonly memory: SavedMemory | undefined;
  readonly control: SharedArrayBuffer;
  readonly ledger: SharedArrayBuffer;
}

export interface ServiceWorkerData {
  /** ServiceWord. */
  readonly words: SharedArrayBuffer;
  readonly commands: MessagePort;
}

/** From a thread that begins. */
export type StartReport =
  | { readonly kind: 'ready' }
  /** It cannot do what it is for: for the user. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

/** Blocks until a word has got to a number; false when that takes longer. */
export function waitForWord(words: Int32Array, index: number, least: number, timeoutMs: number): boolean {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = Atomics.load(words, index);
    if (value >= least) return true;
    const left = deadline - performance.now();
    if (left <= 0) return false;
    Atomics.wait(words, index, value, left);
  }
}
