/** A NIC's network as the network thread sees it, where the network itself is on the main thread. */

import type { FrameSink, NetworkEndpoint } from '../kit/network-endpoint.ts';
import { FrameCrossing } from './frame-crossing.ts';

export class CrossedEndpoint implements NetworkEndpoint {
  onConnectionChange: (() => void) | undefined;
  readonly #crossing: FrameCrossing;
  #receiver: FrameSink | undefined;
  #onWritable: () => void = () => {};
  #wasConnected: boolean;

  /** @param ring wakes this thread */
  constructor(buffer: SharedArrayBuffer, ring: () => void) {
    this.#crossing = new FrameCrossing(buffer, 'network', ring);
    this.#wasConnected = this.#crossing.isConnected;
  }

  get isConnected(): boolean {
    return this.#crossing.isConnected;
  }

  setReceiver(receiver: FrameSink, onWritable: () => void): void {
    this.#receiver = receiver;
    this.#onWritable = onWritable;
  }

  deliver(buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    return this.#crossing.deliver(buffer, offset, length, offload, segmentBytes);
  }

  flush(): void {
    if (this.#receiver !== undefined) this.#crossing.give(this.#receiver);
  }

  close(): void {
    this.#receiver = undefined;
  }

  /** For the thread: what the main thread has said and given since the last turn. */
  turn(): void {
    const { isConnected } = this;
    if (this.#wasConnected !== isConnected) {
      this.#wasConnected = isConnected;
      this.onConnectionChange?.();
    }
    if (this.#crossing.takeRoom()) this.#onWritable();
    this.flush();
  }
}
