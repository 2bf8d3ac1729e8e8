/**
 * One hv_sock connection: a channel as a stream of bytes in both directions. Bytes travel in pipe packets; an empty
 * packet ends a direction. A reader that falls behind leaves packets in the guest's ring, which stops the guest's
 * writer; our writer waits for room in the ring to the guest.
 */
import { Duplex } from 'node:stream';
import type { Timer, Timers } from '../../kit/timers.ts';
import type { Guid } from '../../protocols/vmbus/class-ids.ts';
import { SOCKET_MAX_DATA, SOCKET_PROPERTIES_VERSION, SocketOffer } from '../../protocols/vmbus/hv-socket.ts';
import { OFFER_USER_BYTES, OfferFlag, PipeType } from '../../protocols/vmbus/message-table.ts';
import {
  PACKET_TRAILER_SIZE, PacketDescriptor, PipeHeader, PipePacketType,
} from '../../protocols/vmbus/ring-layout.ts';
import { type Channel, SendResult } from '../../vmbus/channel.ts';
import type { ChannelService } from '../../vmbus/offer.ts';

/** A guest sends at most a page; this leaves room for one that sends more. */
const MAX_PACKET_BYTES = 65_536;
/** Less than this is not worth a packet while more waits: the guest is asked for more room. */
const WORTHWHILE_BYTES = 4096;
/** How long a guest may take to read what was sent before a stream that ended on both sides is taken away. */
export const LINGER_MS = 10_000;

const HEADER_SIZE = PipeHeader.$size;
/** The packet that ends a direction, with its trailer. Linux sees it and leaves it in the ring. */
const END_BYTES = PacketDescriptor.$size + HEADER_SIZE + PACKET_TRAILER_SIZE;

export interface StreamOptions {
  readonly classId: Guid;
  readonly instanceId: Guid;
  readonly isFromHost: boolean;
  readonly timers: Timers;
  /** The guest has opened the channel: both ends are there. */
  readonly onOpen: (connection: SocketStream) => void;
  /** The stream has ended: the offer is to be taken back. */
  readonly onEnd: (connection: SocketStream) => void;
}

export class SocketStream extends Duplex {
  /** The stream as the bus sees it. */
  readonly service: ChannelService;
  readonly #options: StreamOptions;
  readonly #header = new Uint8Array(HEADER_SIZE);
  #channel: Channel | undefined;
  #reading = false;
  #remoteEnded = false;
  #writing: { data: Uint8Array; done: number; readonly callback: (error?: Error) => void } | undefined;
  #ending: ((error?: Error) => void) | undefined;
  #linger: (() => void) | undefined;
  #lingerTimer: Timer | undefined;

  constructor(options: StreamOptions) {
    super({ allowHalfOpen: true });
    this.#options = options;
    this.service = {
      description: {
        classId: options.classId,
        instanceId: options.instanceId,
        flags: OfferFlag.EnumerateDeviceInterface | OfferFlag.NamedPipe | OfferFlag.TlnpiProvider,
        userDefined: socketProperties(options.isFromHost),
      },
      maxPacketBytes: MAX_PACKET_BYTES,
      opened: (channel) => {
        this.#channel = channel;
        options.onOpen(this);
      },
      signalled: () => this.#turn(),
      closed: () => this.#detach(),
    };
  }

  override _read(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.#channel?.wantTurn();
  }

  override _write(data: Uint8Array, _encoding: string, callback: (error?: Error) => void): void {
    if (this.#channel === undefined) {
      callback(new Error('the guest closed the connection'));
      return;
    }
    this.#writing = { data, done: 0, callback };
    this.#send();
  }

  override _final(callback: (error?: Error) => void): void {
    this.#ending = callback;
    this.#send();
  }

  /** The offer is taken back once the guest has read everything, or does not. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const finish = (): void => {
      this.#linger = undefined;
      this.#lingerTimer?.cancel();
      this.#options.onEnd(this);
      callback(error);
    };
    if (error !== null || this.#channel === undefined || this.#channel.isDrained(END_BYTES)) {
      finish();
      return;
    }
    this.#linger = finish;
    this.#lingerTimer = this.#options.timers.after(LINGER_MS, finish);
  }

  #turn(): void {
    this.#receive();
    this.#send();
    if (this.#linger !== undefined && this.#channel?.isDrained(END_BYTES) !== false) this.#linger();
  }

  /** The guest is gone, or its end is closed for good. */
  #detach(): void {
    this.#channel = undefined;
    this.#linger?.();
    if (!this.#remoteEnded) this.#endOfData();
    const error = new Error('the guest closed the connection');
    this.#writing?.callback(error);
    this.#writing = undefined;
    this.#ending?.();
    this.#ending = undefined;
    this.#options.onEnd(this);
  }

  #receive(): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    while (this.#reading && !this.#remoteEnded && channel.receive()) {
      const payload = channel.payload;
      const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
      const isData = payload.length >= HEADER_SIZE && PipeHeader.packetType.get(view, 0) === PipePacketType.Data;
      const size = isData ? PipeHeader.dataSize.get(view, 0) : 0;
      if (!isData || size > payload.length - HEADER_SIZE) {
        channel.fail('a packet that is no data of a socket');
        return;
      }
      if (size === 0) this.#endOfData();
      else this.#reading = this.push(Buffer.from(payload.subarray(HEADER_SIZE, HEADER_SIZE + size)));
    }
  }

  #endOfData(): void {
    this.#remoteEnded = true;
    this.push(null);
  }

  #send(): void {
    const channel = this.#channel;
    const writing = this.#writing;
    if (channel === undefined) return;
    if (writing !== undefined) {
      while (writing.done < writing.data.length) {
        const left = writing.data.length - writing.done;
        const room = Math.max(channel.room - HEADER_SIZE, Math.min(left, WORTHWHILE_BYTES));
        const count = Math.min(left, room, SOCKET_MAX_DATA);
        if (!this.#sendPacket(channel, writing.data.subarray(writing.done, writing.done + count))) return;
        writing.done += count;
      }
      this.#writing = undefined;
      writing.callback();
    }
    if (this.#ending === undefined || this.#writing !== undefined) return;
    if (!this.#sendPacket(channel, new Uint8Array(0))) return;
    const callback = this.#ending;
    this.#ending = undefined;
    callback();
  }

  /** False when there is no room now, or no channel any more. */
  #sendPacket(channel: Channel, data: Uint8Array): boolean {
    PipeHeader.encode(new DataView(this.#header.buffer), 0, {
      packetType: PipePacketType.Data, dataSize: data.length,
    });
    return channel.send(this.#header, data) === SendResult.Sent;
  }
}

function socketProperties(isFromHost: boolean): Uint8Array {
  const properties = new Uint8Array(OFFER_USER_BYTES);
  SocketOffer.encode(new DataView(properties.buffer), 0, {
    pipeType: PipeType.Byte, isConnectFromHost: isFromHost ? 1 : 0, versionLow: SOCKET_PROPERTIES_VERSION,
  });
  return properties;
}
