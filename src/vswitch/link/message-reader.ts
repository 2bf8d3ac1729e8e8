/**
 * Takes a stream of messages apart as it comes [protocols/switch-link.ts]. What the other end says is checked before it
 * is used; a stream that makes no sense is not read any further.
 */
import {
  FRAME_ALIGNMENT, FrameRecord, LinkMessage, LinkMessageKind, MAX_CONTROL_BODY_BYTES, MAX_LINK_BODY_BYTES,
} from '../../protocols/switch-link.ts';
import type { FrameSink } from '../../kit/network-endpoint.ts';
import { MAX_FRAME_BYTES } from './frame-batch.ts';

const HEADER = LinkMessage.$size;
const RECORD = FrameRecord.$size;
const NOTHING = new Uint8Array(0);

export interface MessageHandlers {
  control(message: unknown): void;
  /** Gets each frame; what it returns is not looked at. */
  readonly frames: FrameSink;
  capture(bytes: Uint8Array): void;
}

export class MessageReader {
  readonly #handlers: MessageHandlers;
  #carry: Uint8Array = NOTHING;
  #isBroken = false;

  constructor(handlers: MessageHandlers) {
    this.#handlers = handlers;
  }

  /** Bytes of a message that has not come whole. */
  get waitingBytes(): number {
    return this.#carry.length;
  }

  /** Takes what came; valid only during the call. False: the stream makes no sense, now or before. */
  push(chunk: Uint8Array): boolean {
    if (this.#isBroken) return false;
    // A plain array: what Node makes is of another class, whose `slice` copies nothing.
    const plain = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    const bytes = this.#carry.length === 0 ? plain : joined(this.#carry, plain);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (bytes.length - at >= HEADER) {
      const bodyBytes = LinkMessage.bodyBytes.get(view, at);
      if (bodyBytes > MAX_LINK_BODY_BYTES) return this.#break();
      if (bytes.length - at - HEADER < bodyBytes) break;
      if (!this.#take(bytes, view, at, bodyBytes)) return this.#break();
      at += HEADER + bodyBytes;
    }
    this.#carry = at === bytes.length ? NOTHING : bytes.slice(at);
    return true;
  }

  #break(): boolean {
    this.#isBroken = true;
    this.#carry = NOTHING;
    return false;
  }

  #take(bytes: Uint8Array, view: DataView, at: number, bodyBytes: number): boolean {
    const start = at + HEADER;
    switch (LinkMessage.kind.get(view, at)) {
      case LinkMessageKind.Control: {
        if (bodyBytes > MAX_CONTROL_BODY_BYTES) return false;
        const value = parsed(bytes.subarray(start, start + bodyBytes));
        if (value === undefined) return false;
        this.#handlers.control(value);
        return true;
      }
      case LinkMessageKind.Frames:
        return this.#takeFrames(bytes, view, start, start + bodyBytes, LinkMessage.count.get(view, at));
      case LinkMessageKind.Capture:
        this.#handlers.capture(bytes.subarray(start, start + bodyBytes));
        return true;
      default: return false;
    }
  }

  // Hot path: a turn of the loop for each frame. Nothing is allocated.
  #takeFrames(bytes: Uint8Array, view: DataView, start: number, end: number, count: number): boolean {
    const { frames } = this.#handlers;
    let at = start;
    for (let i = 0; i < count; i++) {
      if (end - at < RECORD) return false;
      const length = view.getUint32(at + FrameRecord.frameBytes.offset, true);
      const rest = view.getUint32(at + FrameRecord.segmentBytes.offset, true);
      const padded = (length + FRAME_ALIGNMENT - 1) & -FRAME_ALIGNMENT;
      if (length > MAX_FRAME_BYTES || end - at - RECORD < padded) return false;
      frames.deliver(bytes, at + RECORD, length, (rest >>> 16) & 0xff, rest & 0xffff);
      at += RECORD + padded;
    }
    return at === end;
  }
}

/** An object or an array; undefined when it is neither, or no JSON. */
function parsed(bytes: Uint8Array): object | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** A message of that kind, whole. */
export function message(kind: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER + body.length);
  LinkMessage.encode(new DataView(bytes.buffer), 0, { bodyBytes: body.length, kind, reserved: 0, count: 0 });
  bytes.set(body, HEADER);
  return bytes;
}

export function controlMessage(value: object): Uint8Array {
  return message(LinkMessageKind.Control, Buffer.from(JSON.stringify(value)));
}
