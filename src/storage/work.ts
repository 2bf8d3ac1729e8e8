/** Long work on disks: it says how far it is, lets the event loop run, and ends when it is told to. */

import { setImmediate } from 'node:timers/promises';

export interface Work {
  /** @param fraction how much is done, 0 to 1. */
  readonly progress?: (fraction: number) => void;
  readonly signal?: AbortSignal;
}

/** Between two pieces of the work. @throws what the signal was aborted with. */
export async function pause({ progress, signal }: Work, fraction: number): Promise<void> {
  progress?.(fraction);
  await setImmediate();
  signal?.throwIfAborted();
}
