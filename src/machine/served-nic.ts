/** A network adapter on the network thread, with what belongs to it. */

import type { NetworkEndpoint } from '../kit/network-endpoint.ts';
import type { GuestPages } from '../vmbus/guest-pages.ts';
import { NetworkAdapter } from '../vsp/network/device.ts';
import type { GuestRam } from '../vsp/network/guest-ram.ts';
import { AdapterJournal } from '../vsp/network/journal.ts';
import type { PlacedNic } from './network-protocol.ts';

/** The switch process comes back within that, and so does the network thread. */
const LINK_PATIENCE_MS = 1000;
const QUIET_MS = 100;

export interface ServedNicOptions {
  readonly placed: PlacedNic;
  readonly ram: GuestRam;
  /** What is on the main thread has turns of this one's, too. */
  readonly endpoint: NetworkEndpoint & { turn?(): void };
  readonly offerSubChannel: (index: number) => void;
  /** Another thread had it and has ended. */
  readonly isTakenOver: boolean;
}

export class ServedNic {
  readonly adapter: NetworkAdapter;
  readonly journal: AdapterJournal;
  /** Lists of pages that the guest made for it. */
  readonly pages = new Map<number, GuestPages>();
  /** By channel, the connection with which the guest rings. */
  readonly connections = new Map<number, number>();
  readonly #endpoint: ServedNicOptions['endpoint'];

  constructor({ placed, ram, endpoint, offerSubChannel, isTakenOver }: ServedNicOptions) {
    const { instanceId, macAddress, queueCount, journal } = placed;
    this.journal = new AdapterJournal(queueCount, journal);
    if (isTakenOver) this.journal.settle();
    this.#endpoint = endpoint;
    this.adapter = new NetworkAdapter({
      instanceId, macAddress, queueCount, ram, endpoint, offerSubChannel, journal: this.journal,
      linkPatienceMs: LINK_PATIENCE_MS, quietMs: QUIET_MS,
    });
  }

  turn(): void {
    this.#endpoint.turn?.();
  }

  /** The network is gone; `drained` is called when the guest has given back what it was given. */
  leave(drained: () => void): void {
    this.#endpoint.close();
    this.adapter.leave(drained);
  }

  close(): void {
    this.#endpoint.close();
  }
}
