/**
 * Reads the ring of a packet socket on the switch's own thread. While frames come it looks again after each turn of the
 * event loop; when there are none, another thread waits for the next and wakes this one.
 */
import { Worker } from 'node:worker_threads';
import type { NativeCalls } from '../../kit/native-calls.ts';
import type { FrameSink } from '../../kit/network-endpoint.ts';
import { type PollerData, PollerWord } from './device-poller.ts';
import { PacketRing } from './packet-ring.ts';

/** Frames in a turn of the event loop. */
const RUN_FRAMES = 256;
/** Turns without a frame before the other thread waits: waking costs more than a few looks. */
const IDLE_LOOKS = 4;

export interface PacketReaderOptions {
  readonly descriptor: number;
  readonly native: NativeCalls;
  readonly sink: FrameSink;
  /** Frames of a run were given. */
  readonly onRun: () => void;
}

export class PacketReader {
  readonly #options: PacketReaderOptions;
  readonly #ring: PacketRing;
  readonly #words = new Int32Array(new SharedArrayBuffer(PollerWord.Count * 4));
  readonly #worker: Worker;
  #idleLooks = 0;
  #isClosed = false;

  /** @throws OperatingError when the system does not give the socket a ring. */
  constructor(options: PacketReaderOptions) {
    const { descriptor, native } = options;
    this.#options = options;
    this.#ring = new PacketRing(descriptor, native);
    const data: PollerData = { descriptor, words: this.#words.buffer as SharedArrayBuffer };
    this.#worker = new Worker(new URL('./device-poller.js', import.meta.url), { workerData: data, name: 'uplink' });
    this.#worker.on('message', () => this.#turn());
    this.#worker.on('error', () => {});
    this.#sleep();
  }

  /** Frames for which there was no room. */
  get lost(): number {
    return this.#ring.lost;
  }

  /** When it has resolved nobody has to do with the descriptor any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    Atomics.store(this.#words, PollerWord.Stop, 1);
    this.#wake();
    await new Promise((resolve) => { this.#worker.once('exit', resolve); });
    this.#ring.close();
  }

  #turn(): void {
    if (this.#isClosed) return;
    const count = this.#ring.give(this.#options.sink, RUN_FRAMES);
    if (count > 0) {
      this.#idleLooks = 0;
      this.#options.onRun();
    } else if (++this.#idleLooks > IDLE_LOOKS) {
      this.#sleep();
      return;
    }
    setImmediate(() => this.#turn());
  }

  /** Until the next frame. */
  #sleep(): void {
    this.#idleLooks = 0;
    this.#wake();
  }

  #wake(): void {
    Atomics.store(this.#words, PollerWord.Wanted, 1);
    Atomics.notify(this.#words, PollerWord.Wanted);
  }
}
