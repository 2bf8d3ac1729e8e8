/**
 * The receiving half of a TCP endpoint: puts segments in order, trims what was received before and what lies beyond
 * the window, and keeps the promise of the window's edge [RFC 9293, 3.8.6; 3.10.7.4]. Memory is bounded.
 */

const MAXIMUM_HELD_SEGMENTS = 256;

export type Receipt = 'in-order' | 'held' | 'old' | 'beyond' | 'full';

interface Held {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

export class TcpReceiver {
  /** The next sequence number that is expected. */
  next: number;
  finReceived = false;
  readonly #write: (chunk: Uint8Array) => void;
  #edge: number;
  #held: Held[] = [];
  #heldBytes = 0;
  #fin: number | undefined;

  constructor(sequence: number, window: number, write: (chunk: Uint8Array) => void) {
    this.next = sequence;
    this.#edge = (sequence + window) >>> 0;
    this.#write = write;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** How much the guest may send. The edge never moves back, and forward only when it is worth a word. */
  window(freeBytes: number, stepBytes: number): number {
    const edge = (this.next + Math.max(freeBytes - this.#heldBytes, 0)) >>> 0;
    if (((edge - this.#edge) | 0) >= stepBytes) this.#edge = edge;
    return (this.#edge - this.next) >>> 0;
  }

  /** Whether the guest would learn something from a window update. */
  hasOpened(freeBytes: number, stepBytes: number): boolean {
    return ((this.next + freeBytes - this.#heldBytes - this.#edge) | 0) >= stepBytes;
  }

  isInWindow(sequence: number): boolean {
    const offset = (sequence - this.next) | 0;
    return offset >= 0 && offset <= ((this.#edge - this.next) | 0);
  }

  accept(sequence: number, payload: Uint8Array, fin: boolean): Receipt {
    if (this.finReceived) return 'old';
    const skip = (this.next - sequence) | 0;
    if (skip > payload.length || (skip === payload.length && skip > 0 && !fin)) return 'old';
    const start = skip > 0 ? this.next : sequence;
    const room = (this.#edge - start) | 0;
    const whole = payload.subarray(Math.max(skip, 0));
    if (room <= 0 && whole.length > 0) return 'beyond';
    const bytes = whole.subarray(0, Math.max(room, 0));
    if (fin && bytes.length === whole.length) this.#fin ??= (start + bytes.length) >>> 0;
    if (skip < 0 && bytes.length > 0) return this.#hold(start, bytes);
    this.#take(bytes);
    this.#drain();
    if (this.#fin === this.next && !this.finReceived) {
      this.finReceived = true;
      this.next = (this.next + 1) >>> 0;
    }
    return 'in-order';
  }

  #take(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.next = (this.next + bytes.length) >>> 0;
    this.#write(bytes.slice());
  }

  #hold(sequence: number, bytes: Uint8Array): Receipt {
    const distance = (sequence - this.next) | 0;
    const index = this.#held.findIndex((each) => ((each.sequence - this.next) | 0) >= distance);
    if (index >= 0 && this.#held[index]!.sequence === sequence && this.#held[index]!.bytes.length >= bytes.length) {
      return 'held';
    }
    const capacity = (this.#edge - this.next) | 0;
    if (this.#held.length >= MAXIMUM_HELD_SEGMENTS || this.#heldBytes + bytes.length > capacity) return 'full';
    this.#held.splice(index < 0 ? this.#held.length : index, 0, { sequence, bytes: bytes.slice() });
    this.#heldBytes += bytes.length;
    return 'held';
  }

  #drain(): void {
    for (;;) {
      const first = this.#held[0];
      if (first === undefined) return;
      const skip = (this.next - first.sequence) | 0;
      if (skip < 0) return;
      this.#held.shift();
      this.#heldBytes -= first.bytes.length;
      if (skip < first.bytes.length) this.#take(first.bytes.subarray(skip));
    }
  }
}
