/** Puts a frame into the form in which a port gets it: its VLAN tag taken off, put on or replaced. */
import { EtherType, VLAN_TAG_BYTES } from '../../protocols/ethernet.ts';
import { FrameForm } from './decision.ts';

/** Where the tag, or the type of an untagged frame, begins. */
const TAG = 12;

/** A frame in its form; what it holds is valid until the next. */
export class FrameShaper {
  readonly #scratch: Uint8Array;
  buffer: Uint8Array;
  offset = 0;
  length = 0;

  constructor(maximumBytes: number) {
    this.#scratch = new Uint8Array(maximumBytes + VLAN_TAG_BYTES);
    this.buffer = this.#scratch;
  }

  // Hot path: one a destination that wants another form.
  shape(form: FrameForm, control: number, bytes: Uint8Array, offset: number, length: number): void {
    const isTagged = bytes[offset + TAG] === 0x81 && bytes[offset + TAG + 1] === 0;
    if (form === FrameForm.Same || (form === FrameForm.Plain && !isTagged)) {
      this.buffer = bytes;
      this.offset = offset;
      this.length = length;
      return;
    }
    const to = this.#scratch;
    const rest = offset + TAG + (isTagged ? VLAN_TAG_BYTES : 0);
    for (let i = 0; i < TAG; i++) to[i] = bytes[offset + i] as number;
    let at = TAG;
    if (form === FrameForm.Tagged) {
      to[at] = EtherType.Vlan >>> 8;
      to[at + 1] = EtherType.Vlan & 0xff;
      to[at + 2] = control >>> 8;
      to[at + 3] = control & 0xff;
      at += VLAN_TAG_BYTES;
    }
    to.set(bytes.subarray(rest, offset + length), at);
    this.buffer = to;
    this.offset = 0;
    this.length = at + offset + length - rest;
  }
}
