/** Joins a port of a switch to an interface of the host: frames are read by a thread, and written here. */
import { closeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { assert } from '../../kit/assert.ts';
import { loadNativeCalls, type NativeMemory } from '../../kit/native-calls.ts';
import type { NetworkEndpoint } from '../../kit/network-endpoint.ts';
import { VirtioNetHeader } from '../../protocols/linux-network.ts';
import { MAX_FRAME_BYTES } from '../link/frame-batch.ts';
import { MessageReader } from '../link/message-reader.ts';
import { type ReaderData, ReaderWord } from './device-reader.ts';
import type { FrameDevice } from './frame-device.ts';
import { writeVirtioHeader } from './virtio-header.ts';

const HEADER = VirtioNetHeader.$size;

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
  readonly #memory: NativeMemory;
  readonly #view: DataView;
  readonly #write: (...parameters: unknown[]) => number;

  constructor(options: HostPortOptions) {
    const native = loadNativeCalls();
    assert(native !== undefined, 'a device was opened without the calls for it');
    this.#options = options;
    this.device = options.device;
    this.#memory = native.allocate(HEADER + MAX_FRAME_BYTES);
    this.#view = new DataView(this.#memory.bytes.buffer);
    this.#write = native.function('long write(int descriptor, size_t buffer, size_t count)');
    options.port.setReceiver({ deliver: (...frame) => this.#send(...frame) }, () => {});
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

  /** Batches of frames that the switch was too slow for. */
  get lostBatches(): number {
    return Atomics.load(this.#words, ReaderWord.Lost);
  }

  /** The thread lets go of the descriptor first. */
  async close(): Promise<void> {
    Atomics.store(this.#words, ReaderWord.Stop, 1);
    await new Promise((resolve) => { this.#worker.once('exit', resolve); });
    closeSync(this.device.descriptor);
    this.#options.port.close();
  }

  // Hot path: one a frame; what it costs is the system call.
  #send(bytes: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    if (!writeVirtioHeader(this.#view, 0, bytes, offset, length, offload, segmentBytes)) return false;
    this.#memory.bytes.set(bytes.subarray(offset, offset + length), HEADER);
    // Safety: the memory is ours, and holds that much.
    return this.#write(this.device.descriptor, this.#memory.address, HEADER + length) > 0;
  }
}
