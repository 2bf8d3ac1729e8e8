/** Ports of the host's loopback that reach guests of a user-mode network, as they are wished for. */
import type { Listening } from '../nat/host-network.ts';
import type { NatNetwork } from '../nat/nat-network.ts';
import type { ForwardStatus, UserPortForward } from './user-port.ts';

interface Entry {
  readonly listening: Listening | undefined;
  readonly reason: string | undefined;
}

export class Forwards {
  readonly #network: NatNetwork;
  readonly #entries = new Map<string, Entry>();
  #changes: Promise<unknown> = Promise.resolve();

  constructor(network: NatNetwork) {
    this.#network = network;
  }

  /** What is not wished for ends, and what is new begins, one change after the other; what became of each. */
  become(wishes: readonly UserPortForward[]): Promise<ForwardStatus[]> {
    const change = this.#changes.then(() => this.#become(wishes));
    this.#changes = change;
    return change;
  }

  async #become(wishes: readonly UserPortForward[]): Promise<ForwardStatus[]> {
    const keys = new Set(wishes.map(keyOf));
    for (const [key, { listening }] of this.#entries) {
      // One that failed is tried again: whoever had the port may be gone.
      if (keys.has(key) && listening !== undefined) continue;
      listening?.close();
      this.#entries.delete(key);
    }
    for (const wish of wishes) {
      const key = keyOf(wish);
      if (!this.#entries.has(key)) this.#entries.set(key, await this.#open(wish));
    }
    return wishes.map((wish) => {
      const reason = this.#entries.get(keyOf(wish))?.reason;
      return { ...wish, ...(reason === undefined ? {} : { reason }) };
    });
  }

  async #open({ protocol, hostPort, mac, guestPort }: UserPortForward): Promise<Entry> {
    try {
      const listening = await this.#network.forward({ protocol, hostPort, guest: mac, guestPort });
      return { listening, reason: undefined };
    } catch (error) {
      return { listening: undefined, reason: (error as Error).message };
    }
  }
}

function keyOf({ protocol, hostPort, mac, guestPort }: UserPortForward): string {
  return `${protocol}:${hostPort}:${mac}:${guestPort}`;
}
