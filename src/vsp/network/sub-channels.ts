/** The channels that a guest has beside an adapter's first: what is granted is offered, and re-offered when let go. */
import { NvspStatus, NvspType, NvspVersion } from '../../protocols/nvsp.ts';
import type { Channel } from '../../vmbus/channel.ts';
import type { ChannelService, OfferDescription } from '../../vmbus/offer.ts';
import { sendTable, statusMessage, subChannelComplete } from './answers.ts';
import type { Queue } from './queue.ts';

interface AdapterChannels {
  readonly description: OfferDescription;
  readonly maxPacketBytes: number;
  opened(channel: Channel, index: number): void;
  signalled(index: number): void;
  closed(index: number): void;
}

export class SubChannels {
  readonly #queues: readonly Queue[];
  readonly #offerChannel: (index: number) => void;
  /** Granted ones. */
  count = 0;

  constructor(queues: readonly Queue[], offerChannel: (index: number) => void) {
    this.#queues = queues;
    this.#offerChannel = offerChannel;
  }

  /** The guest waits until all of what is granted is open. */
  grant(wanted: number, nvspVersion: number): Uint8Array {
    if (nvspVersion < NvspVersion.V5 || this.count > 0) {
      return statusMessage(NvspType.SubChannel, NvspStatus.Failure);
    }
    this.offer(wanted);
    return subChannelComplete(this.count);
  }

  offer(wanted: number): void {
    this.count = Math.min(wanted, this.#queues.length - 1);
    for (let index = 1; index <= this.count; index++) this.#offerChannel(index);
  }

  /** One of the channels for the bus, of an adapter whose every channel can be told by its number. */
  serviceOf(adapter: AdapterChannels, index: number): ChannelService {
    return {
      description: adapter.description,
      maxPacketBytes: adapter.maxPacketBytes,
      outlivesRescind: true,
      opened: (channel) => adapter.opened(channel, index),
      signalled: () => adapter.signalled(index),
      closed: () => adapter.closed(index),
      released: () => this.released(index),
    };
  }

  /** The driver may ask for its channels again before it has let go of those that it had. */
  released(index: number): void {
    if (index <= this.count) this.#offerChannel(index);
  }

  /** When the last channel is open. A full ring loses it: the driver has such a table of its own. */
  tellSendTable(): void {
    const count = this.count + 1;
    if (this.#queues.slice(0, count).some(({ channel }) => channel === undefined)) return;
    const { head, table } = sendTable(count);
    this.#queues[0]?.channel?.send(head, table);
  }
}
