/**
 * Who is where on a NAT network: MAC → port for frames between guests, IP → MAC and port for what the gateway
 * sends. Both are learned from what ports send, bounded for each, and forgotten with it. An address that was leased
 * belongs to the port that it was leased to.
 */
import type { NatPort } from './nat-port.ts';
import type { Station } from './ip-output.ts';

export const MAXIMUM_ADDRESSES_PER_PORT = 64;

interface Entry extends Station {
  readonly port: NatPort;
}

export class Neighbours {
  readonly #byMac = new Map<number, NatPort>();
  readonly #byIp = new Map<number, Entry>();
  readonly #counts = new Map<NatPort, { macs: number; ips: number }>();

  portOf(mac: number): NatPort | undefined {
    return this.#byMac.get(mac);
  }

  station(ip: number): Station | undefined {
    return this.#byIp.get(ip);
  }

  /** An address of a port that `isMeant`, if it has one. */
  addressOf(port: NatPort, isMeant: (ip: number) => boolean): number | undefined {
    for (const [ip, entry] of this.#byIp) if (entry.port === port && isMeant(ip)) return ip;
    return undefined;
  }

  /** And of a station. */
  addressOfMac(mac: number, isMeant: (ip: number) => boolean): number | undefined {
    for (const [ip, entry] of this.#byIp) if (entry.mac === mac && isMeant(ip)) return ip;
    return undefined;
  }

  /** Which port an address was last heard on. */
  ownerOf(ip: number): NatPort | undefined {
    return this.#byIp.get(ip)?.port;
  }

  /** False when the port has too many. */
  learnMac(mac: number, port: NatPort): boolean {
    const known = this.#byMac.get(mac);
    if (known === port) return true;
    const counts = this.#countsOf(port);
    if (counts.macs >= MAXIMUM_ADDRESSES_PER_PORT) return false;
    if (known !== undefined) this.#countsOf(known).macs--;
    counts.macs++;
    this.#byMac.set(mac, port);
    return true;
  }

  learnIp(ip: number, mac: number, port: NatPort): boolean {
    const known = this.#byIp.get(ip);
    if (known !== undefined && known.port === port && known.mac === mac) return true;
    const counts = this.#countsOf(port);
    if (known?.port !== port && counts.ips >= MAXIMUM_ADDRESSES_PER_PORT) return false;
    if (known !== undefined) this.#countsOf(known.port).ips--;
    counts.ips++;
    this.#byIp.set(ip, { mac, port, send: (frame, length, keep) => port.send(frame, length, keep) });
    return true;
  }

  /** The addresses that went with the port. */
  forget(port: NatPort): number[] {
    for (const [mac, owner] of this.#byMac) if (owner === port) this.#byMac.delete(mac);
    const ips = [...this.#byIp].filter(([, entry]) => entry.port === port).map(([ip]) => ip);
    for (const ip of ips) this.#byIp.delete(ip);
    this.#counts.delete(port);
    return ips;
  }

  #countsOf(port: NatPort): { macs: number; ips: number } {
    let counts = this.#counts.get(port);
    if (counts === undefined) this.#counts.set(port, counts = { macs: 0, ips: 0 });
    return counts;
  }
}
