/** Reads the ring of a packet socket on the switch's own thread, in turns with the other ones of the switch. */
import { Worker } from 'node:worker_threads';
import type { NativeCalls } from '../../kit/native-calls.ts';
import type { FrameSink } from '../../kit/network-endpoint.ts';
import { type PollerData, PollerWord } from './device-poller.ts';
import { PacketRing } from './packet-ring.ts';
import type { PacketRings, RingMemory, RingReader } from './packet-rings.ts';

/** Frames in a turn of the event loop. */
const RUN_FRAMES = 256;

export interface PacketReaderOptions {
  readonly descriptor: number;
  readonly native: NativeCalls;
  readonly sink: FrameSink;
  readonly rings: PacketRings;
  /** Frames of a run were given. */
  readonly onRun: () => void;
}

export class PacketReader implements RingReader {
  readonly #options: PacketReaderOptions;
  readonly #ring: PacketRing;
  readonly #words = new Int32Array(new SharedArrayBuffer(PollerWord.Count * 4));
  readonly #worker: Worker;
  #isClosed = false;

  /** @throws OperatingError when the system does not give the socket a ring. */
  constructor(options: PacketReaderOptions) {
    const { descriptor, native, rings } = options;
    this.#options = options;
    this.#ring = new PacketRing(descriptor, native);
    const data: PollerData = { descriptor, words: this.#words.buffer as SharedArrayBuffer };
    this.#worker = new Worker(new URL('./device-poller.js', import.meta.url), { workerData: data, name: 'uplink' });
    this.#worker.on('message', () => rings.wake());
    this.#worker.on('error', () => {});
    rings.add(this);
  }

  get memory(): RingMemory {
    return this.#ring.memory;
  }

  /** Frames for which there was no room. */
  get lost(): number {
    return this.#ring.lost;
  }

  give(): number {
    return this.#isClosed ? 0 : this.#ring.give(this.#options.sink, RUN_FRAMES);
  }

  release(): void {
    this.#ring.release();
    this.#options.onRun();
  }

  setWaiting(isWaiting: boolean): void {
    Atomics.store(this.#words, PollerWord.Wanted, isWaiting ? 1 : 0);
    if (isWaiting) Atomics.notify(this.#words, PollerWord.Wanted);
  }

  /** When it has resolved nobody has to do with the descriptor any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#options.rings.remove(this);
    Atomics.store(this.#words, PollerWord.Stop, 1);
    this.setWaiting(true);
    await new Promise((resolve) => { this.#worker.once('exit', resolve); });
    this.#ring.close();
  }
}
