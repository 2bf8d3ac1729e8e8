/**
 * Guest memory: slots of guest-physical address → (buffer, offset). RAM only, never growing. Everything outside the
 * engine reads and writes the guest through here, copying before it looks: the guest can change what it has written at
 * any time.
 */

export interface MemorySlot {
  /** First guest-physical address, a multiple of 4096. */
  readonly gpa: number;
  readonly sizeBytes: number;
  /** Where the slot begins in the buffer. */
  readonly offset: number;
}

export class GuestMemory {
  readonly buffer: SharedArrayBuffer;
  readonly slots: readonly MemorySlot[];
  /** To be called by whoever has written at offsets of the buffer where a guest may keep code: engines remember it. */
  readonly written: (offset: number, length: number) => void;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #ensure: ((offset: number, length: number) => void) | undefined;

  /**
   * @param written hears of every write through `write` and `fill`, and of those that `written` is told of.
   * @param ensure makes sure that bytes of the buffer are there, for memory that arrives as it is needed.
   */
  constructor(
    buffer: SharedArrayBuffer, slots: readonly MemorySlot[],
    written: (offset: number, length: number) => void = () => {},
    ensure?: (offset: number, length: number) => void,
  ) {
    this.buffer = buffer;
    this.slots = slots;
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
    this.written = written;
    this.#ensure = ensure;
  }

  get sizeBytes(): number {
    return this.slots.reduce((sum, slot) => sum + slot.sizeBytes, 0);
  }

  /** The view of the whole buffer; use it only with offsets from `offsetOf`. */
  get view(): DataView {
    return this.#view;
  }

  /** Buffer offset of `length` bytes at `gpa`, or -1 when they are not all RAM of one slot. They are there then. */
  offsetOf(gpa: number, length: number): number {
    for (const slot of this.slots) {
      const at = gpa - slot.gpa;
      if (at < 0 || at + length > slot.sizeBytes) continue;
      this.#ensure?.(slot.offset + at, length);
      return slot.offset + at;
    }
    return -1;
  }

  /** A copy of `length` bytes at `gpa`, or undefined when they are not RAM. */
  read(gpa: number, length: number): Uint8Array<ArrayBuffer> | undefined {
    const at = this.offsetOf(gpa, length);
    if (at < 0) return undefined;
    const copy = new Uint8Array(length);
    copy.set(this.#bytes.subarray(at, at + length));
    return copy;
  }

  /** Writes `data` at `gpa`; false when it is not all RAM. */
  write(gpa: number, data: Uint8Array): boolean {
    const at = this.offsetOf(gpa, data.length);
    if (at < 0) return false;
    this.#bytes.set(data, at);
    this.written(at, data.length);
    return true;
  }

  /** Has `put` write `length` bytes at `gpa`; false when they are not all RAM. */
  writeWith(gpa: number, length: number, put: (target: Uint8Array) => void): boolean {
    const at = this.offsetOf(gpa, length);
    if (at < 0) return false;
    put(this.#bytes.subarray(at, at + length));
    this.written(at, length);
    return true;
  }

  fill(gpa: number, length: number, value: number): boolean {
    const at = this.offsetOf(gpa, length);
    if (at < 0) return false;
    this.#bytes.fill(value, at, at + length);
    this.written(at, length);
    return true;
  }
}
