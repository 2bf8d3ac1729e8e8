/**
 * UDP through the host's sockets: one socket for each port of a guest, whatever it talks to [RFC 4787, 4.1], and only
 * those that it has spoken to may answer [RFC 4787, 5: address and port-dependent filtering]. What is idle goes.
 */
import type { Clock } from '../../kit/clock.ts';
import type { Timer, Timers } from '../../kit/timers.ts';
import type { Counters } from '../counters.ts';
import type { HostDatagrams, HostNetwork, Route } from './host-network.ts';
import { isIpv6 } from './ipv6-addresses.ts';

export const MAXIMUM_MAPPINGS = 16_384;
export const MAXIMUM_MAPPINGS_PER_GUEST = 12_288;
const MAXIMUM_PEERS = 256;
const IDLE_MS = 120_000;
const SWEEP_MS = 15_000;

interface Mapping {
  readonly key: number;
  readonly guest: number;
  readonly socket: HostDatagrams;
  /** The host's address and port → the address as the guest sees it. */
  readonly peers: Map<string, number>;
  usedMs: number;
}

export interface UdpTableOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counters: Counters;
  readonly host: HostNetwork;
  readonly route: (ip: number, port: number) => Route | undefined;
  readonly deliver: (from: number, fromPort: number, to: number, toPort: number, payload: Uint8Array) => void;
}

export class UdpTable {
  readonly #options: UdpTableOptions;
  /** In order of last use, so that the oldest is first. */
  readonly #mappings = new Map<number, Mapping>();
  readonly #perGuest = new Map<number, number>();
  #sweep: Timer | undefined;

  constructor(options: UdpTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#mappings.size;
  }

  send(guest: number, guestPort: number, remote: number, remotePort: number, payload: Uint8Array): void {
    const target = this.#options.route(remote, remotePort);
    if (target === undefined) return this.#options.counters.add('udp-no-route');
    const mapping = this.#mapping(guest, guestPort);
    if (mapping === undefined) return this.#options.counters.add('udp-table-full');
    const [address] = target.addresses;
    const peer = `${address}:${target.port}`;
    if (!mapping.peers.has(peer) && mapping.peers.size >= MAXIMUM_PEERS) {
      mapping.peers.delete(mapping.peers.keys().next().value!);
    }
    mapping.peers.set(peer, remote);
    mapping.socket.send(payload.slice(), address, target.port);
  }

  #mapping(guest: number, guestPort: number): Mapping | undefined {
    const key = guest * 0x1_0000 + guestPort;
    const nowMs = this.#options.clock.nowNs() / 1e6;
    const known = this.#mappings.get(key);
    if (known !== undefined) {
      known.usedMs = nowMs;
      return known;
    }
    const ofGuest = this.#perGuest.get(guest) ?? 0;
    if (this.#mappings.size >= MAXIMUM_MAPPINGS || ofGuest >= MAXIMUM_MAPPINGS_PER_GUEST) return undefined;
    const socket = this.#options.host.datagrams(isIpv6(guest) ? 6 : 4, (payload, address, port) => {
      const remote = mapping.peers.get(`${address}:${port}`);
      if (remote === undefined) return this.#options.counters.add('udp-unsolicited');
      mapping.usedMs = this.#options.clock.nowNs() / 1e6;
      this.#options.deliver(remote, port, guest, guestPort, payload);
    });
    const mapping: Mapping = { key, guest, socket, peers: new Map(), usedMs: nowMs };
    this.#mappings.set(key, mapping);
    this.#perGuest.set(guest, ofGuest + 1);
    this.#sweep ??= this.#options.timers.after(SWEEP_MS, () => this.#age());
    return mapping;
  }

  #age(): void {
    const idleSince = this.#options.clock.nowNs() / 1e6 - IDLE_MS;
    for (const mapping of this.#mappings.values()) if (mapping.usedMs <= idleSince) this.#remove(mapping);
    this.#sweep = this.#mappings.size === 0 ? undefined
      : this.#options.timers.after(SWEEP_MS, () => this.#age());
  }

  #remove(mapping: Mapping): void {
    mapping.socket.close();
    this.#mappings.delete(mapping.key);
    const left = (this.#perGuest.get(mapping.guest) ?? 1) - 1;
    if (left === 0) this.#perGuest.delete(mapping.guest);
    else this.#perGuest.set(mapping.guest, left);
  }

  close(guest?: number): void {
    for (const mapping of this.#mappings.values()) {
      if (guest === undefined || mapping.guest === guest) this.#remove(mapping);
    }
    if (this.#mappings.size === 0) {
      this.#sweep?.cancel();
      this.#sweep = undefined;
    }
  }
}
