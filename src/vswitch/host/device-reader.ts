/**
 * A thread that reads frames from an interface of the host and hands them over in batches [protocols/switch-link.ts].
 * It waits a short while at a time, so that it can be ended; when the other thread does not keep up it loses frames, as
 * an interface does.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { loadNativeCalls, type NativeMemory } from '../../kit/native-calls.ts';
import { VLAN_TAG_BYTES } from '../../protocols/ethernet.ts';
import {
  AuxiliaryData, AuxiliaryStatus, IoVector, MSG_DONTWAIT, MultipleMessage, POLLIN, VirtioNetHeader,
} from '../../protocols/linux-network.ts';
import { FrameBatch, MAX_FRAME_BYTES } from '../link/frame-batch.ts';
import type { FrameDevice } from './frame-device.ts';
import { offloadOf, segmentOf } from './virtio-header.ts';

export interface ReaderData {
  readonly device: FrameDevice;
  /** ReaderWord. */
  readonly words: SharedArrayBuffer;
}

/** Words that both threads have. */
export const ReaderWord = { Stop: 0, Waiting: 1, Lost: 2, Count: 3 } as const;
/** Batches that may wait for the other thread. */
const MAX_WAITING = 64;
const WAIT_MS = 50;
/** POLLERR and POLLHUP. */
const POLL_TROUBLE = 0x18;
const VECTOR = 32;
const ROOM = 0x1_1000;
const CONTROL = 64;
const TAG_AT = 12;
const HEADER = VirtioNetHeader.$size;

class DeviceReader {
  readonly #device: FrameDevice;
  readonly #words: Int32Array;
  readonly #memory: NativeMemory;
  readonly #view: DataView;
  readonly #batch: FrameBatch;
  readonly #poll: (...parameters: unknown[]) => number;
  readonly #read: (...parameters: unknown[]) => number;
  readonly #receive: (...parameters: unknown[]) => number;
  readonly #tagged = new Uint8Array(MAX_FRAME_BYTES + VLAN_TAG_BYTES);
  readonly #pollRequest: Uint8Array;

  constructor({ device, words }: ReaderData) {
    const native = loadNativeCalls()!;
    this.#device = device;
    this.#words = new Int32Array(words);
    this.#memory = native.allocate(VECTOR * (MultipleMessage.$size + IoVector.$size + CONTROL + ROOM));
    this.#view = new DataView(this.#memory.bytes.buffer);
    this.#poll = native.function('int poll(void *requests, ulong count, int timeout)');
    this.#read = native.function('long read(int descriptor, size_t buffer, size_t count)');
    this.#receive =
      native.function('int recvmmsg(int descriptor, size_t messages, uint count, int flags, void *timeout)');
    this.#pollRequest = new Uint8Array(8);
    const request = new DataView(this.#pollRequest.buffer);
    request.setInt32(0, device.descriptor, true);
    request.setInt16(4, POLLIN, true);
    this.#batch = new FrameBatch((message) => this.#post(message));
    this.#layOut();
  }

  run(): void {
    const words = this.#words;
    while (Atomics.load(words, ReaderWord.Stop) === 0) {
      this.#poll(this.#pollRequest, 1, WAIT_MS);
      // An interface that is down has only that to say, and says it at once.
      if (((this.#pollRequest[6] as number) & POLL_TROUBLE) !== 0) Atomics.wait(words, ReaderWord.Stop, 0, WAIT_MS);
      while (this.#readSome() > 0 && Atomics.load(words, ReaderWord.Stop) === 0);
      this.#batch.flush();
    }
  }

  #post(message: Uint8Array): void {
    if (Atomics.load(this.#words, ReaderWord.Waiting) >= MAX_WAITING) {
      Atomics.add(this.#words, ReaderWord.Lost, 1);
      return;
    }
    Atomics.add(this.#words, ReaderWord.Waiting, 1);
    const copy = message.slice();
    parentPort?.postMessage(copy, [copy.buffer]);
  }

  /** How many frames there were, up to a vector of them. */
  #readSome(): number {
    return this.#device.kind === 'tap' ? this.#readTap() : this.#readSocket();
  }

  #readTap(): number {
    const at = this.#roomAt(0);
    let count = 0;
    while (count < VECTOR) {
      // Safety: the room lies in memory of ours, and is that large.
      const length = this.#read(this.#device.descriptor, this.#memory.address + BigInt(at), ROOM);
      if (length <= HEADER) break;
      this.#frame(at, length, -1, 0);
      count++;
    }
    return count;
  }

  #readSocket(): number {
    // The system writes there how much it has put in.
    for (let i = 0; i < VECTOR; i++) MultipleMessage.controlBytes.set(this.#view, i * MultipleMessage.$size, CONTROL);
    const count = this.#receive(this.#device.descriptor, this.#memory.address, VECTOR, MSG_DONTWAIT, null);
    for (let i = 0; i < count; i++) {
      const length = MultipleMessage.received.get(this.#view, i * MultipleMessage.$size);
      const control = this.#controlAt(i);
      const isThere = MultipleMessage.controlBytes.get(this.#view, i * MultipleMessage.$size) >= AuxiliaryData.$size;
      const status = isThere ? AuxiliaryData.status.get(this.#view, control) : 0;
      const hasTag = (status & AuxiliaryStatus.VlanValid) !== 0;
      const type = (status & AuxiliaryStatus.VlanTypeValid) === 0 ? 0x8100
        : AuxiliaryData.vlanType.get(this.#view, control);
      this.#frame(this.#roomAt(i), length, hasTag ? AuxiliaryData.vlanControl.get(this.#view, control) : -1, type);
    }
    return Math.max(count, 0);
  }

  /** Where each frame of a call goes, and what is said about it. */
  #layOut(): void {
    for (let i = 0; i < VECTOR; i++) {
      const vectorAt = VECTOR * MultipleMessage.$size + i * IoVector.$size;
      const [vector, control, room] = [vectorAt, this.#controlAt(i), this.#roomAt(i)]
        .map((at) => this.#memory.address + BigInt(at)) as [bigint, bigint, bigint];
      MultipleMessage.encode(this.#view, i * MultipleMessage.$size, {
        nameLow: 0, nameHigh: 0, nameBytes: 0, vectorLow: low(vector), vectorHigh: high(vector), vectorCount: 1,
        vectorCountHigh: 0, controlLow: low(control), controlHigh: high(control), controlBytes: CONTROL,
        controlBytesHigh: 0, flags: 0, received: 0,
      });
      IoVector.encode(this.#view, vectorAt, {
        baseLow: low(room), baseHigh: high(room), length: ROOM, lengthHigh: 0,
      });
    }
  }

  /** @param tag control word of the tag that the host took off, or -1 */
  #frame(at: number, length: number, tag: number, type: number): void {
    const segment = length > HEADER ? segmentOf(this.#view, at) : -1;
    const bytes = length - HEADER;
    if (segment < 0 || bytes > MAX_FRAME_BYTES - VLAN_TAG_BYTES) return;
    const offload = offloadOf(this.#view, at);
    const source = this.#memory.bytes;
    if (tag < 0) {
      this.#batch.add(source, at + HEADER, bytes, offload, segment);
      return;
    }
    const tagged = this.#tagged;
    tagged.set(source.subarray(at + HEADER, at + HEADER + TAG_AT));
    tagged.set([type >>> 8, type & 0xff, tag >>> 8, tag & 0xff], TAG_AT);
    tagged.set(source.subarray(at + HEADER + TAG_AT, at + length), TAG_AT + VLAN_TAG_BYTES);
    this.#batch.add(tagged, 0, bytes + VLAN_TAG_BYTES, offload, segment);
  }

  #controlAt(index: number): number {
    return VECTOR * (MultipleMessage.$size + IoVector.$size) + index * CONTROL;
  }

  #roomAt(index: number): number {
    return VECTOR * (MultipleMessage.$size + IoVector.$size + CONTROL) + index * ROOM;
  }
}

function low(address: bigint): number {
  return Number(address & 0xffff_ffffn);
}

function high(address: bigint): number {
  return Number(address >> 32n);
}

if (parentPort !== null) new DeviceReader(workerData as ReaderData).run();
