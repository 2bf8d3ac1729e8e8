/** Joins a port of a switch to an interface of the host: frames are read by a thread, and written here. */
import { closeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { assert } from '../../kit/assert.ts';
import { loadNativeCalls } from '../../kit/native-calls.ts';
import type { NetworkEndpoint } from '../../kit/network-endpoint.ts';
import { MessageReader } from '../link/message-reader.ts';
import { type ReaderData, ReaderWord } from './device-reader.ts';
import { DeviceWriter } from './device-writer.ts';
import type { FrameDevice } from './frame-device.ts';

export interface HostPortOptions {
  readonly device: FrameDevice;
  readonly port: NetworkEndpoint;
  /** Frames of a run were given to the port. */
  readonly onRun: () => void;
}

export class HostPort {
  readonly device: FrameDevice;
  readonly #options: HostPortOptions;
  readonly #words = new Int32Array(new SharedArrayBuffer(ReaderWord.Count * 4));
  readonly #worker: Worker;
  readonly #writer: DeviceWriter;

  constructor(options: HostPortOptions) {
    const native = loadNativeCalls();
    assert(native !== undefined, 'a device was opened without the calls for it');
    this.#options = options;
    this.device = options.device;
    this.#writer = new DeviceWriter(options.device, native);
    options.port.setReceiver(this.#writer, () => {});
    const data: ReaderData = { device: this.device, words: this.#words.buffer as SharedArrayBuffer };
    this.#worker = new Worker(new URL('./device-reader.js', import.meta.url), { workerData: data, name: 'uplink' });
    const reader = new MessageReader({
      control: () => {}, capture: () => {}, frames: { deliver: (...frame) => options.port.deliver(...frame) },
    });
    this.#worker.on('message', (message: Uint8Array) => {
      Atomics.sub(this.#words, ReaderWord.Waiting, 1);
      reader.push(message);
      options.port.flush();
      options.onRun();
    });
    this.#worker.on('error', () => {});
  }

  /** Frames from the interface for which the switch was too slow, and frames to it for which it had no room. */
  get lost(): { readonly framesIn: number; readonly framesOut: number } {
    return { framesIn: Atomics.load(this.#words, ReaderWord.Lost), framesOut: this.#writer.lostFrames };
  }

  /** The thread lets go of the descriptor first. */
  async close(): Promise<void> {
    Atomics.store(this.#words, ReaderWord.Stop, 1);
    await new Promise((resolve) => { this.#worker.once('exit', resolve); });
    closeSync(this.device.descriptor);
    this.#options.port.close();
  }
}
