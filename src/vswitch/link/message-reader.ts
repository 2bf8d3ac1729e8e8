/**
 * Takes a stream of messages apart as it comes [protocols/switch-link.ts]. What the other end says is checked before it
 * is used; a stream that makes no sense is not read any further.
 */
import {
  FrameRecord, LinkMessage, LinkMessageKind, MAX_CONTROL_BODY_BYTES, MAX_LINK_BODY_BYTES,
} from '../../protocols/switch-link.ts';
import type { FrameSink } from '../../kit/network-endpoint.ts';
import { MAX_FRAME_BYTES, recordBytes } from './frame-batch.ts';

const HEADER = LinkMessage.$size;
const RECORD = FrameRecord.$size;
/** Of bodies that are taken as one, by kind. */
const MOST_BODY_BYTES: Readonly<Record<number, number>> = {
  [LinkMessageKind.Control]: MAX_CONTROL_BODY_BYTES, [LinkMessageKind.Capture]: MAX_LINK_BODY_BYTES,
};

export interface MessageHandlers {
  control(message: unknown): void;
  /** Gets each frame; what it returns is not looked at. */
  readonly frames: FrameSink;
  capture(bytes: Uint8Array): void;
}

export class MessageReader {
  readonly #handlers: MessageHandlers;
  /** What of a message or of a frame has come, while not all of it has. */
  #carry = new Uint8Array(0);
  #carryView = new DataView(this.#carry.buffer);
  #carried = 0;
  #isBroken = false;
  /** Of the message with frames that is being read. */
  #framesLeft = 0;
  #bodyLeft = 0;

  constructor(handlers: MessageHandlers) {
    this.#handlers = handlers;
  }

  /** Bytes of a message that has not come whole. */
  get waitingBytes(): number {
    return this.#carried;
  }

  /** Takes what came; valid only during the call. False: the stream makes no sense, now or before. */
  push(chunk: Uint8Array): boolean {
    if (this.#isBroken) return false;
    let at = this.#complete(chunk);
    if (at < 0) return this.#break();
    // A plain array: what Node makes is of another class, which is slower to read.
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (;;) {
      const taken = this.#take(bytes, view, at);
      if (taken < 0) return this.#break();
      if (taken === 0) break;
      at += taken;
    }
    this.#keep(bytes, at, bytes.length - at);
    return true;
  }

  #break(): boolean {
    this.#isBroken = true;
    this.#carried = 0;
    return false;
  }

  /** Takes what was carried, with what it lacks of `chunk`: so much of that was used; -1: it makes no sense. */
  #complete(chunk: Uint8Array): number {
    let used = 0;
    while (this.#carried > 0) {
      const lacking = this.#lacking();
      if (lacking > 0) {
        const count = Math.min(lacking, chunk.length - used);
        if (count === 0) break;
        this.#keep(chunk, used, count);
        used += count;
        continue;
      }
      const taken = this.#take(this.#carry.subarray(0, this.#carried), this.#carryView, 0);
      if (taken <= 0) return -1;
      this.#carried = 0;
    }
    return used;
  }

  /** Bytes that are wanting to a header; once it is there, to what it is of; 0 for what makes no sense, too. */
  #lacking(): number {
    const [view, have] = [this.#carryView, this.#carried];
    if (this.#framesLeft > 0) {
      if (have < RECORD) return RECORD - have;
      const length = view.getUint32(FrameRecord.frameBytes.offset, true);
      return length > MAX_FRAME_BYTES ? 0 : recordBytes(length) - have;
    }
    if (have < HEADER) return HEADER - have;
    const bodyBytes = LinkMessage.bodyBytes.get(view, 0);
    const most = MOST_BODY_BYTES[LinkMessage.kind.get(view, 0)] ?? 0;
    return bodyBytes <= most ? HEADER + bodyBytes - have : 0;
  }

  /** Adds to what is carried. */
  #keep(bytes: Uint8Array, at: number, count: number): void {
    if (count === 0) return;
    const wanted = this.#carried + count;
    if (wanted > this.#carry.length) {
      const larger = new Uint8Array(2 ** Math.ceil(Math.log2(wanted)));
      larger.set(this.#carry.subarray(0, this.#carried));
      this.#carry = larger;
      this.#carryView = new DataView(larger.buffer);
    }
    this.#carry.set(bytes.subarray(at, at + count), this.#carried);
    this.#carried = wanted;
  }

  /** Takes what is there whole. Its bytes; 0: more must come; -1: no sense. */
  #take(bytes: Uint8Array, view: DataView, at: number): number {
    return this.#framesLeft > 0 ? this.#takeFrames(bytes, view, at) : this.#takeMessage(bytes, view, at);
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
    if (bodyBytes > (MOST_BODY_BYTES[kind] ?? -1)) return -1;
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
      const whole = recordBytes(length);
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
