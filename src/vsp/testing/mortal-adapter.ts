/**
 * A network adapter whose thread can end between any two stores that count, as a killed thread does, and another goes
 * on over what it has left. The bus stays; the channel is handed over, as to a thread.
 */
import { Channel, type ChannelHandle } from '../../vmbus/channel.ts';
import { GuestPages } from '../../vmbus/guest-pages.ts';
import type { ChannelService } from '../../vmbus/offer.ts';
import type { GuestDriver } from '../../vmbus/testing/guest-driver.ts';
import { MAX_PACKET_BYTES, NetworkAdapter, networkOffer } from '../network/device.ts';
import { AdapterJournal } from '../network/journal.ts';
import type { NetworkEnd } from './network-end.ts';

const INSTANCE = '00000000-0000-0000-0000-000000000001';

export class Killed extends Error {}

export class MortalAdapter implements ChannelService {
  readonly description = networkOffer(INSTANCE);
  readonly maxPacketBytes = MAX_PACKET_BYTES;
  adapter: NetworkAdapter;
  /** The guest broke the protocol. */
  isBroken = false;
  readonly #guest: GuestDriver;
  readonly #end: NetworkEnd;
  readonly #macAddress: Uint8Array;
  readonly #journal = new AdapterJournal(1);
  #handle: ChannelHandle | undefined;
  #original: Channel | undefined;
  #channel: Channel | undefined;

  constructor(guest: GuestDriver, end: NetworkEnd, macAddress: Uint8Array) {
    this.#guest = guest;
    this.#end = end;
    this.#macAddress = macAddress;
    this.adapter = this.#adapterOver(this.#journal);
  }

  get channel(): Channel | undefined {
    return this.#channel;
  }

  opened(channel: Channel): void {
    this.#original = channel;
    this.#handle = channel.handOver();
    this.#serve(false, new AdapterJournal(1, this.#journal.buffer));
  }

  signalled(): void {
    this.turn();
  }

  closed(): void {
    this.#channel?.close();
    this.adapter.closed();
  }

  turn(): void {
    this.#channel?.beginTurn();
    this.adapter.signalled();
    this.#channel?.endTurn();
  }

  /** Does something and ends the thread at its `count`-th store that counts; false when it has none as late. */
  killAt(count: number, action: () => void): boolean {
    const { store } = Atomics;
    let left = count;
    const dying = ((...words: Parameters<typeof store>) => {
      if (--left < 0) throw new Killed();
      return store(...words);
    }) as typeof store;
    try {
      Atomics.store = dying;
      action();
      return false;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      return true;
    } finally {
      Atomics.store = store;
    }
  }

  /** Another thread goes on. */
  replace(): void {
    // What the last one still has to do in this program, a dead thread has not.
    this.adapter.hold();
    const journal = new AdapterJournal(1, this.#journal.buffer);
    journal.settle();
    this.adapter = this.#adapterOver(journal);
    this.adapter.takeOver([true]);
    this.#serve(true, journal);
    this.turn();
  }

  #adapterOver(journal: AdapterJournal): NetworkAdapter {
    return new NetworkAdapter({
      instanceId: INSTANCE, macAddress: this.#macAddress, ram: this.#guest.memory, endpoint: this.#end, journal,
    });
  }

  #serve(isRestored: boolean, journal: AdapterJournal): void {
    const handle = this.#handle as ChannelHandle;
    const { buffer } = this.#guest.memory;
    const original = this.#original as Channel;
    this.#channel = new Channel({
      ...handle, isRestored, ring: new GuestPages({ buffer, ...handle.ring }), ledger: original.ledger,
      receivePosition: isRestored ? journal.queues[0]?.receivePosition : undefined,
      signalGuest: () => {},
      comeAgain: () => {},
      fail: () => {
        this.isBroken = true;
        this.closed();
      },
      pagesOf: (gpadl) => original.pagesOf(gpadl),
    });
    this.adapter.opened(this.#channel);
  }
}
