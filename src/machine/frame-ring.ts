/**
 * Frames from one thread to another, in shared memory: one side puts, the other takes. A frame is taken before anything
 * is done with it, so that a thread that ends in the middle loses it, and its successor does not see it again.
 *
 *   word 0  where the next frame is put             word 1  where the next one is taken
 *   word 2  1: whoever puts waits for room
 *   from byte 64: frames, each a header (length, or -1: go on at the start; offload; bytes of a piece) and its bytes
 */

import { assert } from '../kit/assert.ts';

const HEADER_BYTES = 64;
const DATA_BYTES = 1 << 18;
export const FRAME_RING_BYTES = HEADER_BYTES + DATA_BYTES;
/** The longest segment that stands for several frames, and its headers. */
const MAX_FRAME_BYTES = 0x1_0100;

const HEAD = 0;
const TAIL = 1;
const WAITS = 2;
const RECORD_BYTES = 16;
const GO_ROUND = -1;

export class FrameRing {
  readonly #words: Int32Array;
  readonly #records: Int32Array;
  readonly #data: Uint8Array;
  /** The frame that `take` brought. */
  readonly bytes = new Uint8Array(MAX_FRAME_BYTES);
  length = 0;
  offload = 0;
  segmentBytes = 0;

  /** @param offset where in the buffer its FRAME_RING_BYTES begin. */
  constructor(buffer: SharedArrayBuffer, offset: number) {
    this.#words = new Int32Array(buffer, offset, HEADER_BYTES >>> 2);
    this.#records = new Int32Array(buffer, offset + HEADER_BYTES, DATA_BYTES >>> 2);
    this.#data = new Uint8Array(buffer, offset + HEADER_BYTES, DATA_BYTES);
  }

  // Hot path: each once a frame. Allocates a view of what is copied.

  /** False: there is no room, and `takeWaiting` says so to whoever takes. A frame that is too long is never taken. */
  put(source: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    if (length > MAX_FRAME_BYTES) return true;
    const need = RECORD_BYTES + ((length + 7) & ~7);
    let at = this.#placeFor(need);
    if (at < 0) {
      Atomics.store(this.#words, WAITS, 1);
      at = this.#placeFor(need);
      if (at < 0) return false;
      Atomics.store(this.#words, WAITS, 0);
    }
    const record = at >>> 2;
    this.#records[record] = length;
    this.#records[record + 1] = offload;
    this.#records[record + 2] = segmentBytes;
    this.#data.set(source.subarray(offset, offset + length), at + RECORD_BYTES);
    const next = at + need;
    Atomics.store(this.#words, HEAD, next === DATA_BYTES ? 0 : next);
    return true;
  }

  /** The next frame is in `bytes`; false when there is none. */
  take(): boolean {
    let tail = Atomics.load(this.#words, TAIL);
    if (tail === Atomics.load(this.#words, HEAD)) return false;
    if (this.#records[tail >>> 2] === GO_ROUND) {
      tail = 0;
      Atomics.store(this.#words, TAIL, 0);
      if (Atomics.load(this.#words, HEAD) === 0) return false;
    }
    const record = tail >>> 2;
    const length = this.#records[record] as number;
    assert(length >= 0 && length <= MAX_FRAME_BYTES, 'a frame between threads has no length');
    this.length = length;
    this.offload = this.#records[record + 1] as number;
    this.segmentBytes = this.#records[record + 2] as number;
    const from = tail + RECORD_BYTES;
    this.bytes.set(this.#data.subarray(from, from + length));
    const next = from + ((length + 7) & ~7);
    Atomics.store(this.#words, TAIL, next === DATA_BYTES ? 0 : next);
    return true;
  }

  /** Whether whoever puts waits for the room that taking has made; it is told once. */
  takeWaiting(): boolean {
    return Atomics.load(this.#words, WAITS) !== 0 && Atomics.exchange(this.#words, WAITS, 0) !== 0;
  }

  /** Where so many bytes have room in one piece, which may be at the start; -1: nowhere now. */
  #placeFor(need: number): number {
    const head = Atomics.load(this.#words, HEAD);
    const tail = Atomics.load(this.#words, TAIL);
    if (head < tail) return tail - head > need ? head : -1;
    if (DATA_BYTES - head > need || (DATA_BYTES - head === need && tail > 0)) return head;
    if (tail <= need) return -1;
    this.#records[head >>> 2] = GO_ROUND;
    Atomics.store(this.#words, HEAD, 0);
    return 0;
  }
}
