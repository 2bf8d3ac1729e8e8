/**
 * What all integration services share: the host offers versions, the guest chooses, and then each message of the host
 * comes back with an answer. Messages are numbered; one is under way at a time.
 */
import { OperatingError } from '../kit/errors.ts';
import type { Timer, Timers } from '../kit/timers.ts';
import {
  INTEGRATION_BODY_OFFSET, IntegrationFlag, IntegrationHeader, IntegrationMessage, IntegrationStatus,
  type IntegrationVersion, NegotiateBody, NegotiateVersion,
} from '../protocols/integration/framing.ts';
import { PipeHeader, PipePacketType } from '../protocols/vmbus/ring-layout.ts';
import { type Channel, SendResult } from '../vmbus/channel.ts';

const HEADER = PipeHeader.$size;
/** Parameters of the channel's ledger. */
const LEDGER_NEGOTIATED = 0;
const LEDGER_FRAMEWORK = 1;
const LEDGER_MESSAGE = 2;
const LEDGER_TRANSACTION = 3;

export interface IntegrationProtocol {
  readonly name: string;
  readonly type: IntegrationMessage;
  readonly frameworkVersions: readonly IntegrationVersion[];
  /** Best first. */
  readonly messageVersions: readonly IntegrationVersion[];
}

/** What the guest answered: its status and the message as it came back. */
export interface IntegrationReply {
  readonly status: number;
  readonly body: DataView;
}

interface Exchange {
  readonly body: Uint8Array;
  readonly timeoutMs: number;
  readonly resolve: (reply: IntegrationReply) => void;
  readonly reject: (error: Error) => void;
}

export class IntegrationChannel {
  readonly #protocol: IntegrationProtocol;
  readonly #timers: Timers;
  readonly #onReady: (version: IntegrationVersion) => void;
  #channel: Channel | undefined;
  #version: IntegrationVersion | undefined;
  #framework: IntegrationVersion = { major: 0, minor: 0 };
  #transaction = 0;
  #unsent: Uint8Array | undefined;
  #current: Exchange | undefined;
  #timer: Timer | undefined;
  #queue: Exchange[] = [];
  #waiting: (() => void)[] = [];

  /** @param options.onReady versions are agreed on (or were, when a saved state goes on). */
  constructor(options: {
    protocol: IntegrationProtocol; timers: Timers; onReady: (version: IntegrationVersion) => void;
  }) {
    this.#protocol = options.protocol;
    this.#timers = options.timers;
    this.#onReady = options.onReady;
  }

  /** What was agreed on; undefined while the guest has no driver, or its driver has no daemon. */
  get version(): IntegrationVersion | undefined {
    return this.#version;
  }

  /**
   * Resolves once versions are agreed on: the guest may still be starting.
   * @throws OperatingError when that takes longer.
   */
  ready(timeoutMs: number): Promise<void> {
    if (this.#version !== undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const found = (): void => {
        timer.cancel();
        resolve();
      };
      const timer = this.#timers.after(timeoutMs, () => {
        this.#waiting = this.#waiting.filter((each) => each !== found);
        reject(this.#error(`it has no driver or daemon for it, nor had any within ${timeoutMs / 1000} s`));
      });
      this.#waiting.push(found);
    });
  }

  opened(channel: Channel): void {
    this.#channel = channel;
    const { ledger } = channel;
    if (channel.isRestored && ledger.parameter(LEDGER_NEGOTIATED) === 1) {
      this.#framework = unpack(ledger.parameter(LEDGER_FRAMEWORK));
      this.#version = unpack(ledger.parameter(LEDGER_MESSAGE));
      this.#transaction = ledger.parameter(LEDGER_TRANSACTION);
      this.#becomeReady(this.#version);
      return;
    }
    if (!channel.isRestored) this.#negotiate();
  }

  closed(): void {
    this.#channel = undefined;
    this.#version = undefined;
    this.#unsent = undefined;
    const error = this.#error('the guest closed the channel');
    this.#finish()?.reject(error);
    for (const exchange of this.#queue.splice(0)) exchange.reject(error);
  }

  signalled(): void {
    const channel = this.#channel;
    while (channel?.receive() === true) this.#take(channel);
    this.#sendUnsent();
  }

  /**
   * Sends a message and waits for the guest's answer; after others that were asked for before.
   * @throws OperatingError when the guest has no driver for it, closes it, or does not answer in time.
   */
  exchange(body: Uint8Array, timeoutMs: number): Promise<IntegrationReply> {
    if (this.#version === undefined) return Promise.reject(this.#error('the guest has no driver or daemon for it'));
    return new Promise((resolve, reject) => {
      this.#queue.push({ body, timeoutMs, resolve, reject });
      this.#startNext();
    });
  }

  #startNext(): void {
    if (this.#current !== undefined || this.#channel === undefined) return;
    const next = this.#queue.shift();
    if (next === undefined) return;
    this.#current = next;
    this.#transaction = (this.#transaction + 1) & 0xff;
    this.#channel.ledger.setParameter(LEDGER_TRANSACTION, this.#transaction);
    this.#timer = this.#timers.after(next.timeoutMs, () => {
      this.#finish()?.reject(this.#error(`the guest did not answer within ${next.timeoutMs / 1000} s`));
      this.#startNext();
    });
    this.#send(this.#protocol.type, IntegrationFlag.Transaction | IntegrationFlag.Request, next.body);
  }

  /** Takes the exchange that is under way out of the way. */
  #finish(): Exchange | undefined {
    const exchange = this.#current;
    this.#current = undefined;
    this.#timer?.cancel();
    return exchange;
  }

  #negotiate(): void {
    const { frameworkVersions, messageVersions } = this.#protocol;
    const versions = [...frameworkVersions, ...messageVersions];
    const body = new Uint8Array(NegotiateBody.$size + versions.length * NegotiateVersion.$size);
    const view = new DataView(body.buffer);
    NegotiateBody.encode(view, 0, { frameworkCount: frameworkVersions.length, messageCount: messageVersions.length });
    versions.forEach((version, i) => {
      NegotiateVersion.encode(view, NegotiateBody.$size + i * NegotiateVersion.$size, version);
    });
    this.#send(IntegrationMessage.Negotiate, IntegrationFlag.Transaction | IntegrationFlag.Request, body);
  }

  #send(type: IntegrationMessage, flags: number, body: Uint8Array): void {
    const packet = new Uint8Array(INTEGRATION_BODY_OFFSET + body.length);
    const view = new DataView(packet.buffer);
    PipeHeader.encode(view, 0, {
      packetType: PipePacketType.Data, dataSize: IntegrationHeader.$size + body.length,
    });
    IntegrationHeader.encode(view, HEADER, {
      frameworkMajor: this.#framework.major, frameworkMinor: this.#framework.minor, messageType: type,
      messageMajor: this.#version?.major ?? 0, messageMinor: this.#version?.minor ?? 0,
      messageSize: body.length, transactionId: this.#transaction, flags,
    });
    packet.set(body, INTEGRATION_BODY_OFFSET);
    this.#unsent = packet;
    this.#sendUnsent();
  }

  #sendUnsent(): void {
    const packet = this.#unsent;
    if (packet === undefined || this.#channel === undefined) return;
    if (this.#channel.send(packet) !== SendResult.Full) this.#unsent = undefined;
  }

  #take(channel: Channel): void {
    const payload = channel.payload;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    if (payload.length < INTEGRATION_BODY_OFFSET) {
      channel.fail(`a message of ${payload.length} bytes on the ${this.#protocol.name} channel`);
      return;
    }
    const size = Math.min(IntegrationHeader.messageSize.get(view, HEADER), payload.length - INTEGRATION_BODY_OFFSET);
    const type = IntegrationHeader.messageType.get(view, HEADER);
    if ((IntegrationHeader.flags.get(view, HEADER) & IntegrationFlag.Response) === 0) return;
    const body = new DataView(payload.slice(INTEGRATION_BODY_OFFSET, INTEGRATION_BODY_OFFSET + size).buffer);
    if (type === IntegrationMessage.Negotiate) {
      this.#takeVersions(channel, body);
      return;
    }
    const isOurs = type === this.#protocol.type && this.#version !== undefined &&
      IntegrationHeader.transactionId.get(view, HEADER) === this.#transaction;
    if (!isOurs) return;
    this.#finish()?.resolve({ status: IntegrationHeader.status.get(view, HEADER), body });
    this.#startNext();
  }

  /** The guest's choice counts only if it was offered; a guest that found none answers with no versions. */
  #takeVersions(channel: Channel, body: DataView): void {
    if (this.#version !== undefined || body.byteLength < NegotiateBody.$size + 2 * NegotiateVersion.$size) return;
    if (NegotiateBody.frameworkCount.get(body, 0) !== 1 || NegotiateBody.messageCount.get(body, 0) !== 1) return;
    const framework = NegotiateVersion.decode(body, NegotiateBody.$size);
    const version = NegotiateVersion.decode(body, NegotiateBody.$size + NegotiateVersion.$size);
    if (!includes(this.#protocol.frameworkVersions, framework)) return;
    if (!includes(this.#protocol.messageVersions, version)) return;
    this.#framework = framework;
    this.#version = version;
    channel.ledger.setParameter(LEDGER_NEGOTIATED, 1);
    channel.ledger.setParameter(LEDGER_FRAMEWORK, pack(framework));
    channel.ledger.setParameter(LEDGER_MESSAGE, pack(version));
    this.#becomeReady(version);
  }

  #becomeReady(version: IntegrationVersion): void {
    this.#onReady(version);
    for (const found of this.#waiting.splice(0)) found();
  }

  #error(reason: string): OperatingError {
    return new OperatingError('guest', `cannot use the guest's ${this.#protocol.name} service: ${reason}`);
  }
}

/** @throws OperatingError when the guest answered with anything but success. */
export function expectSuccess(what: string, { status }: IntegrationReply): void {
  if (status === IntegrationStatus.Success) return;
  throw new OperatingError('guest', `the guest did not ${what}: it answered 0x${status.toString(16)}`);
}

function includes(versions: readonly IntegrationVersion[], { major, minor }: IntegrationVersion): boolean {
  return versions.some((version) => version.major === major && version.minor === minor);
}

function pack({ major, minor }: IntegrationVersion): number {
  return (major << 16) | minor;
}

function unpack(word: number): IntegrationVersion {
  return { major: word >>> 16, minor: word & 0xffff };
}
