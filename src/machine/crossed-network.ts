/** The main thread's side of a NIC whose network is here: carries its frames to and from the network thread. */

import type { NetworkEndpoint } from '../kit/network-endpoint.ts';
import { FRAME_CROSSING_BYTES, FrameCrossing } from './frame-crossing.ts';

export class CrossedNetwork {
  readonly buffer = new SharedArrayBuffer(FRAME_CROSSING_BYTES);
  readonly #crossing: FrameCrossing;
  readonly #endpoint: NetworkEndpoint;
  readonly #onFailure: (error: unknown) => void;
  #isClosed = false;

  constructor(options: {
    endpoint: NetworkEndpoint;
    /** Wakes the network thread. */
    ring: () => void;
    onFailure: (error: unknown) => void;
  }) {
    const { endpoint } = options;
    this.#endpoint = endpoint;
    this.#onFailure = options.onFailure;
    this.#crossing = new FrameCrossing(this.buffer, 'main', options.ring);
    this.#crossing.isConnected = endpoint.isConnected;
    endpoint.setReceiver(this.#crossing, () => this.#turn());
    endpoint.onConnectionChange = () => { this.#crossing.isConnected = endpoint.isConnected; };
    void this.#serve();
  }

  close(): void {
    this.#isClosed = true;
    this.#endpoint.close();
    this.#crossing.isConnected = false;
    this.#crossing.mainBell.ring();
  }

  #turn(): void {
    if (this.#isClosed) return;
    const given = this.#crossing.give(this.#endpoint);
    if (this.#crossing.takeRoom() || given > 0) this.#endpoint.flush();
  }

  async #serve(): Promise<void> {
    const { mainBell } = this.#crossing;
    for (;;) {
      await mainBell.wait();
      if (this.#isClosed) return;
      if (!mainBell.answer()) continue;
      try {
        this.#turn();
      } catch (error) {
        this.#onFailure(error);
        return;
      }
    }
  }
}
