/** Frames on their way out, gathered into one message of the stream [protocols/switch-link.ts]. */
import type { Writable } from 'node:stream';
import {
  FRAME_ALIGNMENT, FrameRecord, LinkMessage, LinkMessageKind, MAX_LINK_BODY_BYTES,
} from '../../protocols/switch-link.ts';

/** A message is sent when it has grown to this, or at the end of a turn. */
const BATCH_BYTES = 0x1_0000;
const HEADER = LinkMessage.$size;
const RECORD = FrameRecord.$size;
/** The longest frame: a TCP segment of 64 KiB with its headers. */
export const MAX_FRAME_BYTES = 65_600;

/** Of a frame's record with the frame. */
export function recordBytes(length: number): number {
  return RECORD + ((length + FRAME_ALIGNMENT - 1) & -FRAME_ALIGNMENT);
}

export class FrameBatch {
  readonly #write: (message: Uint8Array) => boolean;
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #at = HEADER;
  #count = 0;

  /** @param write takes a message. False: it keeps it; true: it has done with it, whose memory is written again. */
  constructor(write: (message: Uint8Array) => boolean) {
    this.#write = write;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  // Hot path: one a frame. A buffer is allocated for a batch that is kept.
  add(buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): void {
    const wanted = recordBytes(length);
    if (this.#at + wanted > this.#bytes.length) this.#grow(wanted);
    const view = this.#view;
    const at = this.#at;
    view.setUint32(at + FrameRecord.frameBytes.offset, length, true);
    view.setUint32(at + FrameRecord.segmentBytes.offset, segmentBytes | (offload << 16), true);
    copyBytes(buffer, offset, this.#bytes, at + RECORD, length);
    this.#at = at + wanted;
    this.#count++;
    if (this.#at >= BATCH_BYTES) this.flush();
  }

  flush(): void {
    if (this.#count === 0) return;
    LinkMessage.encode(this.#view, 0, {
      bodyBytes: this.#at - HEADER, kind: LinkMessageKind.Frames, reserved: 0, count: this.#count,
    });
    if (this.#write(this.#bytes.subarray(0, this.#at))) {
      this.#at = HEADER;
      this.#count = 0;
      return;
    }
    // A batch with much room left goes on in the rest of its buffer.
    const rest = this.#bytes.subarray((this.#at + FRAME_ALIGNMENT - 1) & -FRAME_ALIGNMENT);
    this.#take(rest.length >= BATCH_BYTES / 2 ? rest : new Uint8Array(0));
  }

  #grow(wanted: number): void {
    this.flush();
    if (HEADER + wanted <= this.#bytes.length) return;
    this.#take(new Uint8Array(Math.min(Math.max(2 * BATCH_BYTES, HEADER + wanted), HEADER + MAX_LINK_BODY_BYTES)));
  }

  #take(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = HEADER;
    this.#count = 0;
  }
}

/**
 * For a batch: writes to a stream. What was not written at once the stream keeps; what was, it has done with, and then
 * nothing waits in it.
 */
export function writeTo(stream: Writable, message: Uint8Array): boolean {
  stream.write(message);
  return stream.writableLength === 0;
}

/** Short frames are copied faster by hand than by a call into the engine's own copy. */
const SHORT_BYTES = 96;

export function copyBytes(from: Uint8Array, offset: number, to: Uint8Array, at: number, length: number): void {
  if (length > SHORT_BYTES) {
    to.set(from.subarray(offset, offset + length), at);
    return;
  }
  for (let i = 0; i < length; i++) to[at + i] = from[offset + i] as number;
}
