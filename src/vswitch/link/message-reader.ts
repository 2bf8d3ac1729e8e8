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
  /** Of the message with frames that is being read. */
  #framesLeft = 0;
  #bodyLeft = 0;

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
    for (;;) {
      const taken = this.#framesLeft > 0 ? this.#takeFrames(bytes, view, at) : this.#takeMessage(bytes, view, at);
      if (taken < 0) return this.#break();
      if (taken === 0) break;
      at += taken;
    }
    this.#carry = at === bytes.length ? NOTHING : bytes.slice(at);
    return true;
  }

  #break(): boolean {
    this.#isBroken = true;
    this.#carry = NOTHING;
    return false;
  }

  /** Takes a message that is there, or the header of one with frames. Its bytes; 0: more must come; -1: no sense. */
  #takeMessage(bytes: Uint8Array, view: DataView, at: number): number {
    if (bytes.length - at < HEADER) return 0;
    const bodyBytes = LinkMessage.bodyBytes.get(view, at);
    const kind = LinkMessage.kind.get(view, at);
    if (bodyBytes > MAX_LINK_BODY_BYTES) return -1;
    if (kind === LinkMessageKind.Frames) {
      this.#framesLeft = LinkMessage.count.get(view, at);
      this.#bodyLeft = bodyBytes;
      return this.#framesLeft === 0 ? -1 : HEADER;
    }
    if (kind === LinkMessageKind.Control ? bodyBytes > MAX_CONTROL_BODY_BYTES : kind !== LinkMessageKind.Capture) {
      return -1;
    }
    if (bytes.length - at - HEADER < bodyBytes) return 0;
    const body = bytes.subarray(at + HEADER, at + HEADER + bodyBytes);
    if (kind === LinkMessageKind.Capture) {
      this.#handlers.capture(body);
    } else {
      const value = parsed(body);
      if (value === undefined) return -1;
      this.#handlers.control(value);
    }
    return HEADER + bodyBytes;
  }

  // Hot path: a turn of the loop for each frame. Nothing is allocated.
  /** Takes those frames of a message that are there whole: their bytes, -1 for no sense. */
  #takeFrames(bytes: Uint8Array, view: DataView, from: number): number {
    const { frames } = this.#handlers;
    let at = from;
    while (this.#framesLeft > 0 && bytes.length - at >= RECORD) {
      const length = view.getUint32(at + FrameRecord.frameBytes.offset, true);
      const rest = view.getUint32(at + FrameRecord.segmentBytes.offset, true);
      const whole = RECORD + ((length + FRAME_ALIGNMENT - 1) & -FRAME_ALIGNMENT);
      if (length > MAX_FRAME_BYTES || whole > this.#bodyLeft) return -1;
      if (bytes.length - at < whole) break;
      frames.deliver(bytes, at + RECORD, length, (rest >>> 16) & 0xff, rest & 0xffff);
      at += whole;
      this.#bodyLeft -= whole;
      this.#framesLeft--;
    }
    return this.#framesLeft === 0 && this.#bodyLeft !== 0 ? -1 : at - from;
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
