/**
 * A port of the switch, which is at the same time the end of the link that a NIC holds. It goes through the states that
 * the extensible switch has for a port and its NIC [NDIS 6.40, Hyper-V extensible switch port and network adapter
 * states]; frames pass only while the NIC is connected.
 */
import type { FrameSink, NetworkEndpoint } from '../../kit/network-endpoint.ts';
import { DEFAULT_POLICY, type NicPolicy } from './nic-policy.ts';
import { BYTES_OUT, FRAMES_OUT, PortCounters } from './port-counters.ts';
import { RateLimit } from './rate-limit.ts';
import type { VlanMode } from './vlan.ts';

export interface SwitchPortOptions {
  readonly name: string;
  /** The NIC's own address, as a number of 48 bits: the only one it may send from, unless it may spoof. */
  readonly mac?: number;
  readonly vlan?: VlanMode;
  /** Source: what it sends and receives is copied to every destination of the switch. */
  readonly mirror?: 'source' | 'destination' | 'none';
  readonly policy?: Partial<NicPolicy>;
}

/** In order; a port only goes forward, but for a NIC that connects again. */
export const PORT_STATES =
  ['created', 'nic-created', 'connected', 'disconnected', 'nic-deleted', 'torn-down', 'deleted'] as const;
export type PortState = (typeof PORT_STATES)[number];

const NEXT_STATES: Readonly<Record<PortState, readonly PortState[]>> = {
  created: ['nic-created', 'torn-down'],
  'nic-created': ['connected', 'disconnected'],
  connected: ['disconnected'],
  disconnected: ['connected', 'nic-deleted'],
  'nic-deleted': ['nic-created', 'torn-down'],
  'torn-down': ['deleted'],
  deleted: [],
};

interface PortOwner {
  receive(port: SwitchPort, buffer: Uint8Array, offset: number, length: number, offload: number, segment: number): void;
  flush(): void;
  changed(port: SwitchPort): void;
}

export class SwitchPort implements NetworkEndpoint {
  readonly name: string;
  /** Of the switch's ports; a number is used again when its port is gone. */
  readonly index: number;
  readonly counters = new PortCounters();
  readonly limit = new RateLimit();
  onConnectionChange: (() => void) | undefined;
  readonly #owner: PortOwner;
  #mac: number | undefined;
  #vlan: VlanMode;
  #mirror: 'source' | 'destination' | 'none';
  #policy: NicPolicy;
  #state: PortState = 'created';
  #receiver: FrameSink | undefined;

  constructor(options: SwitchPortOptions, index: number, owner: PortOwner) {
    this.name = options.name;
    this.index = index;
    this.#mac = options.mac;
    this.#vlan = options.vlan ?? { kind: 'untagged' };
    this.#mirror = options.mirror ?? 'none';
    this.#policy = { ...DEFAULT_POLICY, ...options.policy };
    this.#owner = owner;
    this.#setLimit();
  }

  get state(): PortState {
    return this.#state;
  }

  /** @returns false: there is no way from the state that it is in. */
  enter(state: PortState): boolean {
    if (!NEXT_STATES[this.#state].includes(state)) return false;
    const wasConnected = this.isConnected;
    this.#state = state;
    this.#owner.changed(this);
    if (wasConnected !== this.isConnected) this.onConnectionChange?.();
    return true;
  }

  get isConnected(): boolean {
    return this.#state === 'connected';
  }

  get mac(): number | undefined {
    return this.#mac;
  }

  get vlan(): VlanMode {
    return this.#vlan;
  }

  get mirror(): 'source' | 'destination' | 'none' {
    return this.#mirror;
  }

  get policy(): NicPolicy {
    return this.#policy;
  }

  /** Holds for the next frame. */
  configure(change: Omit<SwitchPortOptions, 'name'>): void {
    this.#mac = change.mac ?? this.#mac;
    this.#vlan = change.vlan ?? this.#vlan;
    this.#mirror = change.mirror ?? this.#mirror;
    this.#policy = { ...this.#policy, ...change.policy };
    this.#setLimit();
    this.#owner.changed(this);
  }

  setReceiver(receiver: FrameSink, _onWritable: () => void): void {
    // A switch takes or drops each frame at once, so nobody waits for room.
    this.#receiver = receiver;
  }

  deliver(buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    this.#owner.receive(this, buffer, offset, length, offload, segmentBytes);
    return true;
  }

  flush(): void {
    this.#owner.flush();
  }

  /** The NIC goes, and the port with it. */
  close(): void {
    if (this.#state === 'deleted') return;
    this.#receiver = undefined;
    if (this.#state === 'nic-created' || this.#state === 'connected') this.enter('disconnected');
    if (this.#state === 'disconnected') this.enter('nic-deleted');
    this.enter('torn-down');
    this.enter('deleted');
  }

  // Hot path: one a destination of a frame.
  /** Hands a frame to the NIC; false: it was lost. */
  send(buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    const receiver = this.#receiver;
    if (receiver === undefined) {
      this.counters.drop('nicAbsent');
      return false;
    }
    if (!receiver.deliver(buffer, offset, length, offload, segmentBytes)) {
      this.counters.drop('nicFull');
      return false;
    }
    const { values } = this.counters;
    values[FRAMES_OUT] = (values[FRAMES_OUT] as number) + 1;
    values[BYTES_OUT] = (values[BYTES_OUT] as number) + length;
    return true;
  }

  #setLimit(): void {
    this.limit.set(this.#policy.stormLimit, this.#policy.maximumBandwidth);
  }
}
