/**
 * Waiting, on an event loop, for a word of shared memory to change: `Atomics.waitAsync` where the runtime has it,
 * otherwise by looking every few milliseconds.
 */

const POLL_MS = 5;

/** Resolves once words[at] is no longer `value`, or `timeoutMs` have passed. */
export async function waitForChange(
  words: Int32Array<SharedArrayBuffer>, at: number, value: number, timeoutMs: number,
): Promise<void> {
  if (typeof Atomics.waitAsync === 'function') {
    const waiting = Atomics.waitAsync(words, at, value, timeoutMs);
    if (waiting.async) await waiting.value;
    return;
  }
  const end = performance.now() + timeoutMs;
  while (Atomics.load(words, at) === value && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
