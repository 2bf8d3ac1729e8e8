/** The guest's end of an integration service: negotiates, keeps the host's messages, and answers as a test says. */
import assert from 'node:assert/strict';
import type { ChannelService } from '../../vmbus/offer.ts';
import { type GuestChannel } from '../../vmbus/testing/guest-channel.ts';
import { GuestDriver } from '../../vmbus/testing/guest-driver.ts';

export interface HostMessage {
  readonly type: number;
  readonly flags: number;
  readonly transaction: number;
  /** The whole payload of the packet, and the part behind its headers. */
  readonly bytes: Uint8Array;
  readonly body: DataView;
}

const PIPE = 8;
const BODY = 28;

export class GuestUtility {
  readonly guest: GuestDriver;
  readonly channel: GuestChannel;

  constructor(service: ChannelService) {
    this.guest = new GuestDriver();
    this.guest.bus.offer(service);
    const relid = this.guest.connect().get(service.description.classId) as number;
    const channel = this.guest.open(relid);
    assert.ok(channel);
    this.channel = channel;
  }

  /** The next message of the host. */
  take(): HostMessage | undefined {
    const payload = this.channel.receive()?.payload;
    if (payload === undefined) return undefined;
    const view = new DataView(payload.buffer);
    assert.equal(view.getUint32(0, true), 1, 'a pipe packet of data');
    const size = view.getUint16(PIPE + 10, true);
    assert.equal(view.getUint32(4, true), 20 + size, 'the two sizes agree');
    return {
      type: view.getUint16(PIPE + 4, true), flags: payload[PIPE + 17] as number,
      transaction: payload[PIPE + 16] as number, bytes: payload, body: new DataView(payload.buffer, BODY, size),
    };
  }

  /** The next message, which must be there. */
  expect(): HostMessage {
    return this.take() ?? assert.fail('the host sent nothing');
  }

  /** Sends a message back, changed by `change`. */
  answer({ bytes }: Pick<HostMessage, 'bytes'>, status = 0, change: (body: DataView) => void = () => {}): void {
    const copy = bytes.slice();
    const view = new DataView(copy.buffer);
    view.setUint32(PIPE + 12, status, true);
    copy[PIPE + 17] = 5;
    change(new DataView(copy.buffer, BODY));
    this.channel.send(copy);
  }

  /** Answers the host's first message with the version at `index` of those that it offers. */
  negotiate(index = 0): string[] {
    const offer = this.expect();
    assert.equal(offer.type, 0);
    const [frameworks, messages] = [offer.body.getUint16(0, true), offer.body.getUint16(2, true)];
    const version = (at: number): number => offer.body.getUint32(8 + at * 4, true);
    const chosen = version(frameworks + index);
    this.answer(offer, 0, (body) => {
      body.setUint16(0, 1, true);
      body.setUint16(2, 1, true);
      body.setUint32(12, chosen, true);
    });
    return Array.from({ length: messages }, (_, i) => {
      const value = version(frameworks + i);
      return `${value & 0xffff}.${value >>> 16}`;
    });
  }
}

/** Lets promises that are resolved go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}
