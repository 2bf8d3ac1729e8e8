/**
 * The guest's end of a network adapter, written from the protocol and not from the service: negotiates, gives its
 * buffers, asks objects, sends and takes frames. Offsets and numbers are literal on purpose.
 */
import assert from 'node:assert/strict';
import {
  CHANNEL_MESSAGES, ChannelMessageHeader, OfferChannel,
} from '../../protocols/vmbus/message-table.ts';
import type { ChannelService } from '../../vmbus/offer.ts';
import type { GuestChannel, GuestPacket } from '../../vmbus/testing/guest-channel.ts';
import type { GuestDriver } from '../../vmbus/testing/guest-driver.ts';

const PAGE = 4096;
const RECEIVE_PAGES = 64;
const SEND_PAGES = 16;
const SECTION = 6144;
const COMPLETION_REQUESTED = 1;

/** A message that came in a transfer packet. */
export interface Received {
  /** The channel on which it came. */
  readonly queue: number;
  readonly isControl: boolean;
  readonly transaction: number;
  readonly bytes: Uint8Array;
}

export interface SendParts {
  /** The channel to send on. */
  readonly queue?: number;
  readonly isControl?: boolean;
  /** Put into the first section of the send buffer; without it the message lies in pages alone. */
  readonly section?: Uint8Array;
  readonly pages?: Uint8Array;
  /** In place of the first section's number. */
  readonly sectionIndex?: number;
  readonly sectionBytes?: number;
}

export class GuestNic {
  readonly guest: GuestDriver;
  readonly channel: GuestChannel;
  readonly relid: number;
  /** Messages that were received and are not taken. */
  readonly received: Received[] = [];
  /** The transfers that came, completed or not. */
  readonly transfers: number[] = [];
  readonly completions: (GuestPacket & { readonly queue: number })[] = [];
  /** Its own and the others, once `openSubChannels` was called. */
  channels: GuestChannel[];
  /** Complete transfers as they come. */
  completesTransfers = true;
  receiveGpadl = 0;
  sendGpadl = 0;
  #offers: readonly { readonly relid: number; readonly subChannelIndex: number }[] = [];
  #receivePages: number[] = [];
  #sendPages: number[] = [];
  #transaction = 100;

  /** @param guest one that is not connected yet, in whose memory the service looks for frames */
  constructor(guest: GuestDriver, service: ChannelService, ringPages = 8) {
    this.guest = guest;
    this.guest.bus.offer(service);
    this.relid = this.guest.connect().get(service.description.classId) as number;
    this.channel = this.guest.open(this.relid, ringPages) ?? assert.fail('the adapter cannot be opened');
    this.channels = [this.channel];
  }

  /** Asks for more channels; how many are granted. What is offered is opened by `openSubChannels`. */
  askForSubChannels(count: number): number {
    const [type, status, granted = 0] = this.nvsp([133, 1, count]);
    assert.equal(type, 133);
    this.#offers = this.guest.messages().filter(({ number }) => number === CHANNEL_MESSAGES.OfferChannel.number)
      .map(({ view }) => OfferChannel.decode(view, ChannelMessageHeader.$size));
    return status === 1 ? granted : -1;
  }

  openSubChannels(): void {
    for (const { relid, subChannelIndex } of this.#offers) {
      this.channels[subChannelIndex] = this.guest.open(relid) ?? assert.fail('a sub-channel cannot be opened');
    }
  }

  /** Closes everything, as the driver does: sub-channels first. */
  close(): void {
    for (const channel of this.channels.toReversed()) {
      this.guest.post(CHANNEL_MESSAGES.CloseChannel, { relid: channel.relid });
    }
  }

  /** Everything up to where frames flow. */
  start(options: { version?: number; frameBytes?: number; capabilities?: number; filter?: number } = {}): void {
    assert.equal(this.nvsp([1, options.version ?? 0x6_0001, options.version ?? 0x6_0001])[3], 1, 'the version');
    this.nvsp([125, options.frameBytes ?? 1514, 0, options.capabilities ?? 0, 0], false);
    this.nvsp([100, 6, 0x1e], false);
    assert.equal(this.giveReceiveBuffer()[1], 1, 'the receive buffer');
    assert.equal(this.giveSendBuffer()[1], 1, 'the send buffer');
    const initialized = this.control(words(2, 24, 1, 1, 0, 0x4000));
    assert.equal(initialized.getUint32(12, true), 0);
    assert.equal(this.set(0x0001_010e, words(options.filter ?? 0xd)), 0);
  }

  /** Sends an NVSP message of these words and returns the words of its completion. */
  nvsp(message: readonly number[], wantsCompletion = true): number[] {
    const payload = new Uint8Array(40);
    payload.set(words(...message));
    const transaction = ++this.#transaction;
    this.channel.send(payload, { flags: wantsCompletion ? COMPLETION_REQUESTED : 0, transaction });
    this.poll();
    if (!wantsCompletion) return [];
    const { payload: answer } = this.#completionOf(transaction);
    return Array.from({ length: answer.length / 4 }, (_, i) => new DataView(answer.buffer).getUint32(i * 4, true));
  }

  giveReceiveBuffer(): number[] {
    const list = this.guest.makeGpadl(this.relid, RECEIVE_PAGES);
    this.receiveGpadl = list.gpadl;
    this.#receivePages = list.pages;
    return this.nvsp([101, list.gpadl, 0xcafe]);
  }

  giveSendBuffer(): number[] {
    const list = this.guest.makeGpadl(this.relid, SEND_PAGES);
    this.sendGpadl = list.gpadl;
    this.#sendPages = list.pages;
    return this.nvsp([104, list.gpadl, 0]);
  }

  /** Sends a control message and returns its answer. */
  control(message: Uint8Array): DataView {
    this.send({ isControl: true, pages: message });
    const answer = this.received.find(({ isControl }) => isControl) ?? assert.fail('no answer');
    this.received.splice(this.received.indexOf(answer), 1);
    return new DataView(answer.bytes.buffer);
  }

  /** The status and the value of an object. */
  query(oid: number, information: Uint8Array = new Uint8Array(0)): { status: number; value: Uint8Array } {
    const request = new Uint8Array(28 + information.length);
    request.set(words(4, request.length, 7, oid, information.length, 20, 0));
    request.set(information, 28);
    const answer = this.control(request);
    assert.equal(answer.getUint32(0, true), 0x8000_0004);
    assert.equal(answer.getUint32(8, true), 7);
    const [length, offset] = [answer.getUint32(16, true), 8 + answer.getUint32(20, true)];
    assert.ok(offset >= 24 && offset + length <= answer.getUint32(4, true), 'the value lies within the answer');
    return { status: answer.getUint32(12, true), value: new Uint8Array(answer.buffer, offset, length) };
  }

  set(oid: number, information: Uint8Array): number {
    const request = new Uint8Array(28 + information.length);
    request.set(words(5, request.length, 8, oid, information.length, 20, 0));
    request.set(information, 28);
    return this.control(request).getUint32(12, true);
  }

  /** Sends; the status of its completion, or -1 while there is none. */
  send(parts: SendParts): number {
    const transaction = this.post(parts);
    const packet = this.completions.find((each) => each.transaction === transaction);
    return packet === undefined ? -1 : new DataView(packet.payload.buffer).getUint32(4, true);
  }

  /** Sends, and says with which transaction. */
  post({ queue = 0, isControl = false, section, pages, sectionIndex, sectionBytes }: SendParts): number {
    if (section !== undefined) this.#write(this.#sendPages, 0, section);
    const payload = new Uint8Array(40);
    payload.set(words(
      107, isControl ? 1 : 0, sectionIndex ?? (section === undefined ? 0xffff_ffff : 0),
      sectionBytes ?? section?.length ?? 0));
    const transaction = ++this.#transaction;
    const header = pages === undefined ? undefined : this.#ranges(pages);
    const type = pages === undefined ? 6 : 9;
    this.channels[queue]?.send(payload, {
      type, flags: COMPLETION_REQUESTED, transaction, ...(header === undefined ? {} : { header }),
    });
    this.poll();
    return transaction;
  }

  /** Whatever the host has sent. */
  poll(): void {
    this.channels.forEach((channel, queue) => {
      for (const packet of channel.receiveAll()) {
        if (packet.type === 7) this.#takeTransfer(packet, queue);
        else this.completions.push({ ...packet, queue });
      }
    });
  }

  /** Frames that came, and the checksum verdict of each. */
  frames(): { frame: Uint8Array; verdict: number }[] {
    this.poll();
    return this.received.splice(0).filter(({ isControl }) => !isControl).map(({ bytes }) => {
      const view = new DataView(bytes.buffer);
      assert.equal(view.getUint32(0, true), 1);
      assert.equal(view.getUint32(4, true), bytes.length);
      const start = 8 + view.getUint32(8, true);
      const verdict = view.getUint32(32, true) === 0 ? 0 : view.getUint32(8 + view.getUint32(28, true) + 12, true);
      return { frame: bytes.slice(start, start + view.getUint32(12, true)), verdict };
    });
  }

  completeTransfer(transaction: number, queue = 0): void {
    const payload = new Uint8Array(40);
    payload.set(words(108, 1));
    this.channels[queue]?.send(payload, { type: 11, transaction });
  }

  #completionOf(transaction: number): GuestPacket {
    return this.completions.find((each) => each.transaction === transaction) ?? assert.fail('it was not completed');
  }

  #takeTransfer({ header, payload, transaction, flags }: GuestPacket, queue: number): void {
    const view = new DataView(header.buffer);
    assert.equal(view.getUint16(0, true), 0xcafe);
    assert.equal(flags, COMPLETION_REQUESTED);
    const isControl = new DataView(payload.buffer).getUint32(4, true) === 1;
    this.transfers.push(transaction);
    for (let at = 8; at < 8 + view.getUint32(4, true) * 8; at += 8) {
      const [length, offset] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      this.received.push({ queue, isControl, transaction, bytes: this.#read(this.#receivePages, offset, length) });
    }
    if (this.completesTransfers) this.completeTransfer(transaction, queue);
  }

  /** Puts a message in pages of its own, at an odd place and in two ranges, and describes them. */
  #ranges(message: Uint8Array): Uint8Array {
    const skip = 100;
    const first = Math.min(message.length, 50);
    const list = this.guest.makeGpadl(this.relid, 2 + Math.ceil(message.length / PAGE));
    const [page = 0, ...rest] = list.pages;
    this.#write([page], skip, message.subarray(0, first));
    this.#write(rest, 0, message.subarray(first));
    const count = Math.ceil((message.length - first) / PAGE);
    const numbers = rest.slice(0, count).flatMap((each) => [each, 0]);
    return words(0, 2, first, skip, page, 0, message.length - first, 0, ...numbers);
  }

  #write(pages: readonly number[], position: number, bytes: Uint8Array): void {
    bytes.forEach((byte, i) => {
      const at = position + i;
      this.guest.memory.write((pages[Math.floor(at / PAGE)] as number) * PAGE + (at % PAGE), Uint8Array.of(byte));
    });
  }

  #read(pages: readonly number[], position: number, length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, i) => {
      const at = position + i;
      const byte = this.guest.memory.read((pages[Math.floor(at / PAGE)] as number) * PAGE + (at % PAGE), 1);
      return byte?.[0] as number;
    });
  }
}

export const SEND_SECTIONS = Math.floor((SEND_PAGES * PAGE) / SECTION);

export function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setUint32(i * 4, value, true));
  return bytes;
}

/** A frame as an RNDIS message; `information` pairs a type with its word. */
export function rndisFrame(frame: Uint8Array, information: readonly (readonly [number, number])[] = []): Uint8Array {
  const infoBytes = information.length * 16;
  const length = (44 + infoBytes + frame.length + 7) & ~7;
  const message = new Uint8Array(length);
  message.set(words(
    1, length, 36 + infoBytes, frame.length, 0, 0, 0, infoBytes === 0 ? 0 : 36, infoBytes, 0, 0,
    ...information.flatMap(([type, value]) => [16, type, 12, value])));
  message.set(frame, 44 + infoBytes);
  return message;
}
