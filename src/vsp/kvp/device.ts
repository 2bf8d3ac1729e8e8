/**
 * Key-value exchange: reads facts of the guest (its name, its kernel, its addresses), reads what its programs have
 * left for us and writes what they shall read. It is there once the guest runs its daemon, `hv_kvp_daemon`.
 */
import { OperatingError } from '../../kit/errors.ts';
import type { Timers } from '../../kit/timers.ts';
import {
  IntegrationMessage, IntegrationStatus, type IntegrationVersion, integrationVersionText,
} from '../../protocols/integration/framing.ts';
import {
  KVP_KEY_BYTES, KVP_VALUE_BYTES, KvpAddressBody, KvpDeleteBody, KvpEnumerateBody, KvpOperation, KvpPool, KvpSetBody,
  KvpType,
} from '../../protocols/integration/kvp.ts';
import { ClassId } from '../../protocols/vmbus/class-ids.ts';
import type { Channel } from '../../vmbus/channel.ts';
import { expectSuccess, IntegrationChannel, type IntegrationReply } from '../integration-channel.ts';
import { expectStateVersion, integrationOffer, type Service } from '../service.ts';
import { listOf, textOf, utf16 } from '../text.ts';
import { KVP_STATE_VERSION, type KvpState } from './state.ts';

const ANSWER_TIMEOUT_MS = 30_000;
/** Pairs of one pool that are read; a daemon's pools are files that anybody in the guest may fill. */
const MAX_PAIRS = 1024;

const PROTOCOL = {
  name: 'key-value exchange',
  type: IntegrationMessage.Kvp,
  frameworkVersions: [{ major: 3, minor: 0 }, { major: 1, minor: 0 }],
  messageVersions: [{ major: 4, minor: 0 }, { major: 3, minor: 0 }, { major: 1, minor: 0 }],
};

export interface GuestAddresses {
  readonly addresses: readonly string[];
  readonly subnets: readonly string[];
  readonly gateways: readonly string[];
  readonly nameServers: readonly string[];
  readonly dhcp: boolean;
}

export class KeyValueExchange implements Service<KvpState> {
  readonly description = integrationOffer(ClassId.Kvp, '3f31a9b1-9a1c-4c53-8f5c-1a8d6f0b7c04');
  readonly maxPacketBytes = 16_384;
  readonly #channel: IntegrationChannel;

  constructor(options: { timers: Timers }) {
    this.#channel = new IntegrationChannel({ protocol: PROTOCOL, timers: options.timers, onReady: () => {} });
  }

  /** Undefined until the guest's daemon runs. */
  get version(): IntegrationVersion | undefined {
    return this.#channel.version;
  }

  /** Resolves once the guest is there for it; OperatingError when it is not in time. */
  ready(timeoutMs: number): Promise<void> {
    return this.#channel.ready(timeoutMs);
  }

  /** What the guest says of itself: FullyQualifiedDomainName, OSName, OSVersion and more. */
  facts(): Promise<Map<string, string>> {
    return this.enumerate(KvpPool.Auto);
  }

  /** All pairs of a pool. */
  async enumerate(pool: KvpPool): Promise<Map<string, string>> {
    const pairs = new Map<string, string>();
    for (let index = 0; index < MAX_PAIRS; index++) {
      const body = new Uint8Array(KvpEnumerateBody.$size);
      KvpEnumerateBody.encode(new DataView(body.buffer), 0, { operation: KvpOperation.Enumerate, pool, index });
      const reply = await this.#channel.exchange(body, ANSWER_TIMEOUT_MS);
      if (reply.status === IntegrationStatus.NoMoreItems) break;
      expectSuccess('list its values', reply);
      expectSize(reply, KvpEnumerateBody.$size);
      const { key, value, type } = KvpEnumerateBody.decode(reply.body, 0);
      pairs.set(textOf(key), valueText(type, value));
    }
    return pairs;
  }

  /** A value of a pool; undefined when there is none of that name. */
  async get(pool: KvpPool, key: string): Promise<string | undefined> {
    // Linux answers the operation for this with an empty value: its driver tells the daemon to copy 0 bytes.
    return (await this.enumerate(pool)).get(key);
  }

  async set(pool: KvpPool, key: string, value: string): Promise<void> {
    const keyBytes = fitting(key, KVP_KEY_BYTES, 'name');
    const valueBytes = fitting(value, KVP_VALUE_BYTES, 'value');
    const body = new Uint8Array(KvpSetBody.$size);
    KvpSetBody.encode(new DataView(body.buffer), 0, {
      operation: KvpOperation.Set, pool, type: KvpType.Text, keySize: keyBytes.length, valueSize: valueBytes.length,
      key: keyBytes, value: valueBytes,
    });
    expectSuccess(`keep the value "${key}"`, await this.#channel.exchange(body, ANSWER_TIMEOUT_MS));
  }

  async delete(pool: KvpPool, key: string): Promise<void> {
    const keyBytes = fitting(key, KVP_KEY_BYTES, 'name');
    const body = new Uint8Array(KvpDeleteBody.$size);
    KvpDeleteBody.encode(new DataView(body.buffer), 0, {
      operation: KvpOperation.Delete, pool, keySize: keyBytes.length, key: keyBytes,
    });
    expectSuccess(`forget the value "${key}"`, await this.#channel.exchange(body, ANSWER_TIMEOUT_MS));
  }

  /** The addresses of the guest's network adapter with this id (the instance GUID of its channel). */
  async addresses(adapterId: string): Promise<GuestAddresses> {
    const body = new Uint8Array(KvpAddressBody.$size);
    const adapter = utf16(adapterId, KvpAddressBody.adapterId.size);
    if (adapter === undefined) throw new OperatingError('usage', `"${adapterId}" is no adapter's id: give its GUID`);
    KvpAddressBody.encode(new DataView(body.buffer), 0, { operation: KvpOperation.GetIpInfo, adapterId: adapter });
    const reply = await this.#channel.exchange(body, ANSWER_TIMEOUT_MS);
    expectSuccess('tell its addresses', reply);
    expectSize(reply, KvpAddressBody.$size);
    const values = KvpAddressBody.decode(reply.body, 0);
    return {
      addresses: listOf(values.addresses), subnets: listOf(values.subnets), gateways: listOf(values.gateways),
      nameServers: listOf(values.nameServers), dhcp: values.dhcpEnabled !== 0,
    };
  }

  opened(channel: Channel): void {
    this.#channel.opened(channel);
  }

  signalled(): void {
    this.#channel.signalled();
  }

  closed(): void {
    this.#channel.closed();
  }

  saveState(): KvpState {
    return { version: KVP_STATE_VERSION };
  }

  restoreState(state: KvpState): void {
    expectStateVersion('key-value exchange', state.version, KVP_STATE_VERSION);
  }

  inspect(): object {
    return { version: this.version && integrationVersionText(this.version) };
  }
}

function fitting(text: string, maxBytes: number, what: string): Uint8Array {
  const bytes = utf16(text, maxBytes);
  if (bytes !== undefined) return bytes;
  throw new OperatingError('usage', `the ${what} "${text.slice(0, 40)}…" is too long: ` +
    `it may have ${maxBytes / 2 - 1} characters`);
}

function valueText(type: number, value: Uint8Array): string {
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  switch (type) {
    case KvpType.Number32: return String(view.getUint32(0, true));
    case KvpType.Number64: return String(view.getBigUint64(0, true));
    default: return textOf(value);
  }
}

function expectSize({ body }: IntegrationReply, size: number): void {
  if (body.byteLength >= size) return;
  throw new OperatingError('guest', `the guest answered with ${body.byteLength} bytes where ${size} are due`);
}
