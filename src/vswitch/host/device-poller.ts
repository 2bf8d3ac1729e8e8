/**
 * A thread that waits for frames of a packet socket, which another thread reads. It waits a short while at a time, so
 * that it can be ended.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { loadNativeCalls } from '../../kit/native-calls.ts';
import { POLLIN } from '../../protocols/linux-network.ts';

export interface PollerData {
  readonly descriptor: number;
  /** PollerWord. */
  readonly words: SharedArrayBuffer;
}

/** Words that both threads have: whether to stop, and whether the other one wants to be woken. */
export const PollerWord = { Stop: 0, Wanted: 1, Count: 2 } as const;
const WAIT_MS = 50;

function run({ descriptor, words: buffer }: PollerData): void {
  const words = new Int32Array(buffer);
  const poll = loadNativeCalls()!.function('int poll(void *requests, ulong count, int timeout)');
  const request = new Uint8Array(8);
  const view = new DataView(request.buffer);
  view.setInt32(0, descriptor, true);
  view.setInt16(4, POLLIN, true);
  while (Atomics.load(words, PollerWord.Stop) === 0) {
    Atomics.wait(words, PollerWord.Wanted, 0);
    if (Atomics.load(words, PollerWord.Stop) !== 0) return;
    // Safety: the request is one, and lies in memory of ours.
    poll(request, 1, WAIT_MS);
    const events = view.getUint16(6, true);
    if ((events & POLLIN) !== 0) {
      Atomics.store(words, PollerWord.Wanted, 0);
      parentPort?.postMessage(0);
    } else if (events !== 0) Atomics.wait(words, PollerWord.Stop, 0, WAIT_MS); // It is down, and says so at once.
  }
}

if (parentPort !== null) run(workerData as PollerData);
