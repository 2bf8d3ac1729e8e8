/** A guest that speaks VMBus against a bus in the same thread: connects, opens what it is offered, misbehaves. */
import { GuestMemory } from '../../hypervisor/guest-memory.ts';
import {
  CHANNEL_MESSAGES, channelMessage, ChannelMessageHeader, type GpadlBody, GpadlCreated, type GpadlHeader,
  type MessageBody, type MessageRow, OfferChannel, OpenChannelResult,
} from '../../protocols/vmbus/message-table.ts';
import { VmbusVersion } from '../../protocols/vmbus/versions.ts';
import { VmBus, type VmBusOptions } from '../bus.ts';
import { GuestChannel, RawRing } from './guest-channel.ts';
import { LoopbackPort } from './loopback.ts';

const MEMORY_BYTES = 8 << 20;
const FIRST_PAGE = 16;
const PAGES_IN_HEADER = 26;
const PAGES_IN_BODY = 28;

export interface GuestMessage {
  readonly number: number;
  readonly view: DataView;
}

export class GuestDriver {
  readonly memory: GuestMemory;
  readonly port: LoopbackPort;
  readonly bus: VmBus;
  #nextPage = FIRST_PAGE;
  #nextGpadl = 0xe1e10;

  constructor(options: Omit<VmBusOptions, 'memory' | 'port'> & { port?: LoopbackPort; memoryBytes?: number } = {}) {
    const sizeBytes = options.memoryBytes ?? MEMORY_BYTES;
    this.memory = new GuestMemory(new SharedArrayBuffer(sizeBytes), [{ gpa: 0, sizeBytes, offset: 0 }]);
    this.port = options.port ?? new LoopbackPort();
    this.bus = new VmBus({ ...options, memory: this.memory, port: this.port });
  }

  /** Posts a message of the table and gives the bus its turn. */
  post<Body extends MessageBody>(
    row: MessageRow<Body>, values: Parameters<Body['encode']>[2], tail: Uint8Array = new Uint8Array(0),
  ): void {
    const head = channelMessage(row, values);
    const whole = new Uint8Array(head.length + tail.length);
    whole.set(head);
    whole.set(tail, head.length);
    this.postBytes(whole);
  }

  postBytes(bytes: Uint8Array): void {
    this.port.postFromGuest(bytes);
    this.bus.poll();
  }

  /** The messages that came since the last call. */
  messages(): GuestMessage[] {
    return this.port.toGuest.splice(0).map(({ message }) => {
      const view = new DataView(message.buffer);
      return { number: ChannelMessageHeader.messageType.get(view, 0), view };
    });
  }

  numbers(): number[] {
    return this.messages().map(({ number }) => number);
  }

  /** Connects and asks for offers; returns them by class. */
  connect(version: number = VmbusVersion.Server2022): Map<string, number> {
    this.post(CHANNEL_MESSAGES.InitiateContact, { version, sint: 2 });
    this.messages();
    this.post(CHANNEL_MESSAGES.RequestOffers, {});
    return this.takeOffers();
  }

  /** Channel ids by class among the messages that came. */
  takeOffers(): Map<string, number> {
    const offers = new Map<string, number>();
    for (const { number, view } of this.messages()) {
      if (number !== CHANNEL_MESSAGES.OfferChannel.number) continue;
      const { interfaceId, relid } = OfferChannel.decode(view, ChannelMessageHeader.$size);
      offers.set(interfaceId, relid);
    }
    return offers;
  }

  /** Makes a page list; returns its id and status, and the pages. */
  makeGpadl(relid: number, pageCount: number): { gpadl: number; status: number; pages: number[] } {
    const gpadl = this.#nextGpadl++;
    const pages = Array.from({ length: pageCount }, () => this.#nextPage++).reverse();
    const numbers = new Uint8Array(pageCount * 8);
    const view = new DataView(numbers.buffer);
    pages.forEach((page, i) => view.setUint32(i * 8, page, true));
    this.post(CHANNEL_MESSAGES.GpadlHeader, {
      relid, gpadl, rangeBufferLength: 8 + pageCount * 8, rangeCount: 1, byteCount: pageCount * 4096, byteOffset: 0,
    } satisfies Partial<ReturnType<typeof GpadlHeader.decode>>, numbers.subarray(0, PAGES_IN_HEADER * 8));
    for (let at = PAGES_IN_HEADER; at < pageCount; at += PAGES_IN_BODY) {
      const tail = numbers.subarray(at * 8, (at + PAGES_IN_BODY) * 8);
      this.post(CHANNEL_MESSAGES.GpadlBody, { gpadl } satisfies Partial<ReturnType<typeof GpadlBody.decode>>, tail);
    }
    let status = -1;
    for (const { number, view: answer } of this.messages()) {
      if (number !== CHANNEL_MESSAGES.GpadlCreated.number) continue;
      status = GpadlCreated.status.get(answer, ChannelMessageHeader.$size);
    }
    return { gpadl, status, pages };
  }

  /** Opens a channel with rings of `pages` pages each; undefined when the host refuses. */
  open(relid: number, pages = 4, targetVp = 0): GuestChannel | undefined {
    const list = this.makeGpadl(relid, pages * 2);
    const up = new RawRing(this.memory, list.pages.slice(0, pages));
    const down = new RawRing(this.memory, list.pages.slice(pages));
    for (const ring of [up, down]) {
      for (const offset of [0, 4, 8, 12]) ring.setControl(offset, 0);
      ring.setControl(64, 1);
    }
    this.post(CHANNEL_MESSAGES.OpenChannel, {
      relid, openId: relid, ringGpadl: list.gpadl, targetVp, downstreamPageOffset: pages,
    });
    let status = -1;
    for (const { number, view } of this.messages()) {
      if (number === CHANNEL_MESSAGES.OpenChannelResult.number) {
        status = OpenChannelResult.status.get(view, ChannelMessageHeader.$size);
      }
    }
    if (status !== 0) return undefined;
    return new GuestChannel({
      relid, up, down,
      ring: () => {
        this.port.ring(relid);
        this.bus.poll();
      },
    });
  }
}
