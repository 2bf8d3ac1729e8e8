/** Reads a TAP interface by a thread, and gives what it has read to a port of the switch. */
import { Worker } from 'node:worker_threads';
import type { FrameSink } from '../../kit/network-endpoint.ts';
import { MessageReader } from '../link/message-reader.ts';
import { type ReaderData, ReaderWord } from './device-reader.ts';
import type { FrameDevice } from './frame-device.ts';

export interface TapReaderOptions {
  readonly device: FrameDevice;
  readonly sink: FrameSink;
  /** Frames of a run were given. */
  readonly onRun: () => void;
}

export class TapReader {
  readonly #words = new Int32Array(new SharedArrayBuffer(ReaderWord.Count * 4));
  readonly #worker: Worker;

  constructor({ device, sink, onRun }: TapReaderOptions) {
    const data: ReaderData = { device, words: this.#words.buffer as SharedArrayBuffer };
    this.#worker = new Worker(new URL('./device-reader.js', import.meta.url), { workerData: data, name: 'uplink' });
    const reader = new MessageReader({
      control: () => {}, capture: () => {}, frames: { deliver: (...frame) => sink.deliver(...frame) },
    });
    this.#worker.on('message', (message: Uint8Array) => {
      Atomics.sub(this.#words, ReaderWord.Waiting, 1);
      reader.push(message);
      onRun();
    });
    this.#worker.on('error', () => {});
  }

  /** Frames for which the switch was too slow. */
  get lost(): number {
    return Atomics.load(this.#words, ReaderWord.Lost);
  }

  /** The thread lets go of the descriptor first. */
  async close(): Promise<void> {
    Atomics.store(this.#words, ReaderWord.Stop, 1);
    await new Promise((resolve) => { this.#worker.once('exit', resolve); });
  }
}
