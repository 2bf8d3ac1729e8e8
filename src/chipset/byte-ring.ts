/**
 * A ring of bytes in shared memory for one producer and one consumer, which may be two threads. The counters run freely
 * modulo 2^32; the capacity is a power of two.
 *
 *     words[at] bytes ever written   words[at + 1] bytes ever read   then the bytes
 */
/** The consumer wakes nobody: how long its producer sleeps between two looks. */
const ROOM_WAIT_MS = 2;

export class ByteRing {
  readonly capacity: number;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #at: number;
  readonly #bytes: Uint8Array;

  static sharedBytes(capacity: number): number {
    return 8 + capacity;
  }

  constructor(shared: SharedArrayBuffer, byteOffset: number, capacity: number) {
    this.capacity = capacity;
    this.#words = new Int32Array(shared);
    this.#at = byteOffset / 4;
    this.#bytes = new Uint8Array(shared, byteOffset + 8, capacity);
  }

  get used(): number {
    return (Atomics.load(this.#words, this.#at) - Atomics.load(this.#words, this.#at + 1)) >>> 0;
  }

  get free(): number {
    return this.capacity - this.used;
  }

  /** False when the ring is full. */
  push(byte: number): boolean {
    if (this.free === 0) return false;
    const written = Atomics.load(this.#words, this.#at);
    this.#bytes[written & (this.capacity - 1)] = byte;
    Atomics.store(this.#words, this.#at, (written + 1) | 0);
    return true;
  }

  /** Takes as many bytes as fit; answers how many. */
  write(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.free);
    const written = Atomics.load(this.#words, this.#at);
    for (let index = 0; index < count; index++) {
      this.#bytes[(written + index) & (this.capacity - 1)] = bytes[index] as number;
    }
    Atomics.store(this.#words, this.#at, (written + count) | 0);
    return count;
  }

  /** The oldest byte, or -1 when there is none. */
  shift(): number {
    if (this.used === 0) return -1;
    const read = Atomics.load(this.#words, this.#at + 1);
    const byte = this.#bytes[read & (this.capacity - 1)] as number;
    Atomics.store(this.#words, this.#at + 1, (read + 1) | 0);
    return byte;
  }

  /** A copy of everything that is in the ring, without taking it. */
  peekAll(): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(this.used);
    const read = Atomics.load(this.#words, this.#at + 1);
    for (let index = 0; index < copy.length; index++) {
      copy[index] = this.#bytes[(read + index) & (this.capacity - 1)] as number;
    }
    return copy;
  }

  /** Takes everything that is in the ring. */
  takeAll(): Uint8Array<ArrayBuffer> {
    const taken = this.peekAll();
    Atomics.add(this.#words, this.#at + 1, taken.length);
    return taken;
  }

  /** Producer: blocks its thread until there is room for `count` bytes. */
  waitForRoom(count: number): void {
    for (;;) {
      const read = Atomics.load(this.#words, this.#at + 1);
      if (this.free >= count) return;
      Atomics.wait(this.#words, this.#at + 1, read, ROOM_WAIT_MS);
    }
  }

  /** Only while neither side is at work. */
  clear(): void {
    Atomics.store(this.#words, this.#at, 0);
    Atomics.store(this.#words, this.#at + 1, 0);
  }
}
