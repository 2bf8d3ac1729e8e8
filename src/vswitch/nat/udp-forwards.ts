/**
 * Ports of the host whose datagrams go to a guest. The guest sees each of the host's peers as a port of the gateway,
 * the peer's own if that is free; what it answers there goes back to that peer.
 */
import type { Clock } from '../../kit/clock.ts';
import type { Counters } from '../counters.ts';
import type { HostNetwork, Listening } from './host-network.ts';

const MAXIMUM_PEERS = 4096;
const IDLE_MS = 120_000;
const FIRST_PORT = 1024;
const PORTS = 0x1_0000;

interface Peer {
  readonly address: string;
  readonly port: number;
  readonly send: (payload: Uint8Array, address: string, port: number) => void;
  readonly forward: object;
  usedMs: number;
}

export interface UdpForwardsOptions {
  readonly clock: Clock;
  readonly counters: Counters;
  readonly host: HostNetwork;
  /** To a guest, from a port of the gateway. */
  readonly deliver: (gatewayPort: number, guest: number, guestPort: number, payload: Uint8Array) => void;
}

export class UdpForwards {
  readonly #options: UdpForwardsOptions;
  /** By the guest's address and port and the gateway's port; in order of last use. */
  readonly #peers = new Map<string, Peer>();
  /** The gateway's port by whom it stands for. */
  readonly #ports = new Map<string, number>();

  constructor(options: UdpForwardsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** @param guest its address now; undefined while it has none */
  async listen(
    hostAddress: string, hostPort: number, guest: () => number | undefined, guestPort: number,
  ): Promise<Listening> {
    const forward = {};
    const socket = await this.#options.host.bind(hostAddress, hostPort, (payload, address, port) => {
      const to = guest();
      if (to === undefined) return this.#options.counters.add('forward-unreachable');
      const gatewayPort = this.#portOf(forward, to, guestPort, address, port, socket.send);
      if (gatewayPort === undefined) return this.#options.counters.add('udp-table-full');
      this.#options.deliver(gatewayPort, to, guestPort, payload);
    });
    return {
      port: socket.port,
      close: () => {
        socket.close();
        for (const [key, peer] of this.#peers) if (peer.forward === forward) this.#remove(key, peer);
      },
    };
  }

  /** An answer of a guest to a port of the gateway; false: that port stands for nobody. */
  answer(guest: number, guestPort: number, gatewayPort: number, payload: Uint8Array): boolean {
    const peer = this.#peers.get(keyOf(guest, guestPort, gatewayPort));
    if (peer === undefined) return false;
    peer.usedMs = this.#options.clock.nowNs() / 1e6;
    peer.send(payload.slice(), peer.address, peer.port);
    return true;
  }

  #portOf(
    forward: object, guest: number, guestPort: number, address: string, port: number, send: Peer['send'],
  ): number | undefined {
    const name = `${guest}:${guestPort} ${address}:${port}`;
    const usedMs = this.#options.clock.nowNs() / 1e6;
    const known = this.#ports.get(name);
    if (known !== undefined) {
      const key = keyOf(guest, guestPort, known);
      const peer = this.#peers.get(key);
      if (peer?.forward === forward) {
        peer.usedMs = usedMs;
        this.#peers.delete(key);
        this.#peers.set(key, peer);
        return known;
      }
    }
    if (this.#peers.size >= MAXIMUM_PEERS && !this.#dropOldest(usedMs)) return undefined;
    let wanted = port;
    for (let tries = 0; tries < MAXIMUM_PEERS && this.#peers.has(keyOf(guest, guestPort, wanted)); tries++) {
      wanted = wanted + 1 < PORTS ? wanted + 1 : FIRST_PORT;
    }
    const key = keyOf(guest, guestPort, wanted);
    if (this.#peers.has(key)) return undefined;
    this.#peers.set(key, { address, port, send, forward, usedMs });
    this.#ports.set(name, wanted);
    return wanted;
  }

  /** False: the one that was used longest ago is still in use. */
  #dropOldest(nowMs: number): boolean {
    const [key, peer] = this.#peers.entries().next().value ?? [];
    if (key === undefined || peer === undefined || nowMs - peer.usedMs < IDLE_MS) return false;
    this.#remove(key, peer);
    return true;
  }

  #remove(key: string, peer: Peer): void {
    this.#peers.delete(key);
    this.#ports.delete(`${key.slice(0, key.lastIndexOf('>'))} ${peer.address}:${peer.port}`);
  }
}

function keyOf(guest: number, guestPort: number, gatewayPort: number): string {
  return `${guest}:${guestPort}>${gatewayPort}`;
}
