/**
 * The messages of sendmmsg(2) in memory that does not move: for each a frame's room with its virtio header before it.
 * Laid out once; a call only writes lengths.
 *
 *     mmsghdr × count   iovec × count   frame × count
 */
import type { NativeCalls, NativeMemory } from '../../kit/native-calls.ts';
import { IoVector, MultipleMessage, VirtioNetHeader } from '../../protocols/linux-network.ts';
import { MAX_FRAME_BYTES } from '../link/frame-batch.ts';

const ALIGNMENT = 64;
const ROOM = Math.ceil((VirtioNetHeader.$size + MAX_FRAME_BYTES) / ALIGNMENT) * ALIGNMENT;

export class MessageVector {
  readonly memory: NativeMemory;
  readonly view: DataView;
  readonly count: number;
  /** Bytes of a frame with its header. */
  readonly roomBytes = ROOM;

  constructor(native: NativeCalls, count: number) {
    this.count = count;
    this.memory = native.allocate(count * (MultipleMessage.$size + IoVector.$size + ROOM));
    this.view = new DataView(this.memory.bytes.buffer);
    for (let i = 0; i < count; i++) this.#layOut(i);
  }

  /** Where the frame's header is, in `view`. */
  roomAt(index: number): number {
    return this.count * (MultipleMessage.$size + IoVector.$size) + index * ROOM;
  }

  /** How much of its room is to be sent. */
  setLength(index: number, length: number): void {
    IoVector.length.set(this.view, this.#vectorAt(index), length);
  }

  #vectorAt(index: number): number {
    return this.count * MultipleMessage.$size + index * IoVector.$size;
  }

  #layOut(index: number): void {
    const [vector, room] = [this.#vectorAt(index), this.roomAt(index)]
      .map((at) => this.memory.address + BigInt(at)) as [bigint, bigint];
    MultipleMessage.encode(this.view, index * MultipleMessage.$size, {
      nameLow: 0, nameHigh: 0, nameBytes: 0, vectorLow: low(vector), vectorHigh: high(vector), vectorCount: 1,
      vectorCountHigh: 0, controlLow: 0, controlHigh: 0, controlBytes: 0, controlBytesHigh: 0, flags: 0, received: 0,
    });
    IoVector.encode(this.view, this.#vectorAt(index), {
      baseLow: low(room), baseHigh: high(room), length: ROOM, lengthHigh: 0,
    });
  }
}

function low(address: bigint): number {
  return Number(address & 0xffff_ffffn);
}

function high(address: bigint): number {
  return Number(address >> 32n);
}
