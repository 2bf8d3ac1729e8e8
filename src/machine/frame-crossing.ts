/**
 * Both ways of frames between the network thread and the main one, where a NIC's network is on the main thread. What is
 * on its way outlives the network thread.
 */

import { Doorbell } from '../hypervisor/doorbell.ts';
import type { FrameSink } from '../kit/network-endpoint.ts';
import { FRAME_RING_BYTES, FrameRing } from './frame-ring.ts';

const HEADER_BYTES = 64;
const MAIN_BELL = 0;
const CONNECTED = 1;
/** Frames in a turn. */
const BATCH_FRAMES = 256;
export const FRAME_CROSSING_BYTES = HEADER_BYTES + 2 * FRAME_RING_BYTES;

/** One side of it. */
export class FrameCrossing implements FrameSink {
  /** Wakes the main thread. */
  readonly mainBell: Doorbell;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #incoming: FrameRing;
  readonly #outgoing: FrameRing;
  readonly #ringOther: () => void;
  readonly #ringMe: () => void;
  #isKept = false;
  #hasRefused = false;

  /**
   * @param buffer of FRAME_CROSSING_BYTES
   * @param ringNetwork wakes the network thread
   */
  constructor(buffer: SharedArrayBuffer, side: 'main' | 'network', ringNetwork: () => void) {
    this.#words = new Int32Array(buffer, 0, HEADER_BYTES >>> 2);
    this.mainBell = new Doorbell(this.#words, MAIN_BELL);
    const rings = [HEADER_BYTES, HEADER_BYTES + FRAME_RING_BYTES].map((offset) => new FrameRing(buffer, offset));
    const [toMain, toNetwork] = rings as [FrameRing, FrameRing];
    [this.#incoming, this.#outgoing] = side === 'main' ? [toMain, toNetwork] : [toNetwork, toMain];
    this.#ringOther = side === 'main' ? ringNetwork : (): void => this.mainBell.ring();
    this.#ringMe = side === 'main' ? (): void => this.mainBell.ring() : ringNetwork;
  }

  /** Whether the network is there: the main thread says it. */
  get isConnected(): boolean {
    return Atomics.load(this.#words, CONNECTED) === 1;
  }

  set isConnected(isConnected: boolean) {
    Atomics.store(this.#words, CONNECTED, isConnected ? 1 : 0);
    this.#ringOther();
  }

  /** To the other side. */
  deliver(buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    const isTaken = this.#outgoing.put(buffer, offset, length, offload, segmentBytes);
    if (isTaken) this.#ringOther();
    else this.#hasRefused = true;
    return isTaken;
  }

  /** Once after a frame was refused, as soon as it is worth trying again; asked in each turn. */
  takeRoom(): boolean {
    const hasRefused = this.#hasRefused;
    this.#hasRefused = false;
    return hasRefused;
  }

  /** Gives what came to `sink`, as long as it takes it; how many frames it took. */
  give(sink: FrameSink): number {
    const incoming = this.#incoming;
    let [count, taken] = [0, 0];
    for (; count < BATCH_FRAMES; count++) {
      if (!this.#isKept) {
        if (!incoming.take()) break;
        taken++;
      }
      this.#isKept = !sink.deliver(incoming.bytes, 0, incoming.length, incoming.offload, incoming.segmentBytes);
      if (this.#isKept) break;
    }
    if (taken > 0 && incoming.takeWaiting()) this.#ringOther();
    if (count === BATCH_FRAMES) this.#ringMe();
    return count;
  }
}
