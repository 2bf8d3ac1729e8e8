/**
 * A thread that reads frames from a TAP interface and hands them over in batches [protocols/switch-link.ts].
 * It waits a short while at a time, so that it can be ended; when the other thread does not keep up it loses frames, as
 * an interface does.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { loadNativeCalls } from '../../kit/native-calls.ts';
import { POLLIN, VirtioNetHeader } from '../../protocols/linux-network.ts';
import { LinkMessage } from '../../protocols/switch-link.ts';
import { FrameBatch, MAX_FRAME_BYTES } from '../link/frame-batch.ts';
import type { FrameDevice } from './frame-device.ts';
import { MessageVector } from './message-vector.ts';
import { offloadOf, segmentOf } from './virtio-header.ts';

export interface ReaderData {
  readonly device: FrameDevice;
  /** ReaderWord. */
  readonly words: SharedArrayBuffer;
}

/** Words that both threads have: whether to stop, batches that wait, frames that were lost. */
export const ReaderWord = { Stop: 0, Waiting: 1, Lost: 2, Count: 3 } as const;
/** Batches that may wait for the other thread. */
const MAX_WAITING = 64;
const WAIT_MS = 50;
/** POLLERR and POLLHUP. */
const POLL_TROUBLE = 0x18;
const RUN_FRAMES = 32;
const HEADER = VirtioNetHeader.$size;

class DeviceReader {
  readonly #device: FrameDevice;
  readonly #words: Int32Array;
  readonly #messages: MessageVector;
  readonly #view: DataView;
  readonly #batch: FrameBatch;
  readonly #poll: (...parameters: unknown[]) => number;
  readonly #read: (...parameters: unknown[]) => number;
  readonly #pollRequest: Uint8Array;

  constructor({ device, words }: ReaderData) {
    const native = loadNativeCalls()!;
    this.#device = device;
    this.#words = new Int32Array(words);
    this.#messages = new MessageVector(native, 1);
    this.#view = this.#messages.view;
    this.#poll = native.function('int poll(void *requests, ulong count, int timeout)');
    this.#read = native.function('long read(int descriptor, size_t buffer, size_t count)');
    this.#pollRequest = new Uint8Array(8);
    const request = new DataView(this.#pollRequest.buffer);
    request.setInt32(0, device.descriptor, true);
    request.setInt16(4, POLLIN, true);
    this.#batch = new FrameBatch((message) => this.#post(message));
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

  #post(message: Uint8Array): boolean {
    if (Atomics.load(this.#words, ReaderWord.Waiting) >= MAX_WAITING) {
      const view = new DataView(message.buffer, message.byteOffset);
      Atomics.add(this.#words, ReaderWord.Lost, LinkMessage.count.get(view, 0));
      return true;
    }
    Atomics.add(this.#words, ReaderWord.Waiting, 1);
    const copy = message.slice();
    parentPort?.postMessage(copy, [copy.buffer]);
    return true;
  }

  /** How many frames there were, up to so many. */
  #readSome(): number {
    const { memory, roomBytes } = this.#messages;
    const at = this.#messages.roomAt(0);
    let count = 0;
    while (count < RUN_FRAMES) {
      // Safety: the room lies in memory of ours, and is that large.
      const length = this.#read(this.#device.descriptor, memory.address + BigInt(at), roomBytes);
      if (length <= HEADER) break;
      const segment = segmentOf(this.#view, at);
      if (segment >= 0 && length - HEADER <= MAX_FRAME_BYTES) {
        this.#batch.add(memory.bytes, at + HEADER, length - HEADER, offloadOf(this.#view, at), segment);
      }
      count++;
    }
    return count;
  }
}

if (parentPort !== null) new DeviceReader(workerData as ReaderData).run();
