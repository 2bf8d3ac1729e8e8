/**
 * The messages of sendmmsg(2) in memory that does not move: for each a frame's room with its virtio header before it.
 * Laid out once; a call only writes where each frame is and how long.
 *
 *     mmsghdr × count   iovec × count   frame × count
 */
import type { NativeCalls, NativeMemory } from '../../kit/native-calls.ts';
import { IoVector, MultipleMessage, VirtioNetHeader } from '../../protocols/linux-network.ts';
import { MAX_FRAME_BYTES } from '../link/frame-batch.ts';

const ALIGNMENT = 64;
const TWO_TO_THE_32 = 0x1_0000_0000;
const ROOM = Math.ceil((VirtioNetHeader.$size + MAX_FRAME_BYTES) / ALIGNMENT) * ALIGNMENT;

export class MessageVector {
  readonly memory: NativeMemory;
  readonly view: DataView;
  readonly count: number;
  /** Bytes of a frame with its header. */
  readonly roomBytes = ROOM;
  /** Of the memory; addresses of user space are below 2^53. */
  readonly address: number;

  constructor(native: NativeCalls, count: number) {
    this.count = count;
    this.memory = native.allocate(count * (MultipleMessage.$size + IoVector.$size + ROOM));
    this.view = new DataView(this.memory.bytes.buffer);
    this.address = Number(this.memory.address);
    for (let i = 0; i < count; i++) this.#layOut(i);
  }

  /** Where the frame's header is, in `view`. */
  roomAt(index: number): number {
    return this.count * (MultipleMessage.$size + IoVector.$size) + index * ROOM;
  }

  /** What is to be sent: of its room, or elsewhere. */
  setPlace(index: number, address: number, length: number): void {
    const at = this.#vectorAt(index);
    IoVector.baseLow.set(this.view, at, address % TWO_TO_THE_32);
    IoVector.baseHigh.set(this.view, at, address / TWO_TO_THE_32);
    IoVector.length.set(this.view, at, length);
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
