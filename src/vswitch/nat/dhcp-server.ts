/**
 * Hands out IPv4 addresses [RFC 2131, 4.3]. A NIC gets the same address each time as long as the network lives. The
 * table is as large as the range, so nothing that a guest sends makes it grow beyond.
 */
import { DhcpMessage, DhcpOperation, DhcpOption, DhcpType, DHCP_MAGIC } from '../../protocols/dhcp.ts';
import { readMac } from '../packet/addresses.ts';
import { contains, type Subnet } from './subnet.ts';

export const LEASE_SECONDS = 3600;
/** Of one port: a guest that makes up hardware addresses does not use up the range. */
export const MAXIMUM_LEASES_PER_PORT = 16;
const HARDWARE_ETHERNET = 1;

export interface Lease {
  readonly mac: number;
  readonly ip: number;
  readonly port: object;
  expiresMs: number;
}

export interface DhcpReply {
  readonly length: number;
  /** The address that the client has or gets; 0: it has none yet. */
  readonly ip: number;
  readonly mac: number;
  readonly broadcast: boolean;
}

interface DhcpServerOptions {
  readonly subnet: Subnet;
  readonly gateway: number;
  readonly domain: string;
  readonly mtu: number;
  readonly wallMs: () => number;
}

export class DhcpServer {
  readonly #options: DhcpServerOptions;
  readonly #byMac = new Map<number, Lease>();
  readonly #byIp = new Map<number, Lease>();

  constructor(options: DhcpServerOptions) {
    this.#options = options;
  }

  leaseOf(ip: number): Lease | undefined {
    return this.#byIp.get(ip);
  }

  leaseOfMac(mac: number): Lease | undefined {
    return this.#byMac.get(mac);
  }

  leaseOfPort(port: object): Lease | undefined {
    return [...this.#byMac.values()].find((lease) => lease.port === port);
  }

  /** Forgets what a port held: it is gone. */
  release(port: object): void {
    for (const lease of this.#byMac.values()) if (lease.port === port) this.#drop(lease);
  }

  /** Reads a message of a client and writes the answer. Undefined: there is none. */
  answer(request: Uint8Array, reply: Uint8Array, port: object): DhcpReply | undefined {
    const view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    if (request.length < DhcpMessage.$size || DhcpMessage.magic.get(view, 0) !== DHCP_MAGIC) return undefined;
    const message = DhcpMessage.decode(view, 0);
    if (message.operation !== DhcpOperation.Request) return undefined;
    if (message.hardwareType !== HARDWARE_ETHERNET || message.hardwareSize !== 6) return undefined;
    const options = readOptions(view);
    const mac = readMac(message.clientHardware, 0);
    const type = options.type;
    const client = message.clientIp;
    const finish = (kind: number, ip: number): DhcpReply => {
      const length = this.#write(reply, message, kind, ip, type === DhcpType.Inform);
      const isNak = kind === DhcpType.Nak;
      return { length, ip: isNak ? 0 : ip || client, mac, broadcast: isNak || (message.flags & 0x8000) !== 0 };
    };
    if (type === DhcpType.Discover) {
      const lease = this.#lease(mac, options.requested, port);
      return lease === undefined ? undefined : finish(DhcpType.Offer, lease.ip);
    }
    if (type === DhcpType.Request) {
      if (options.server !== 0 && options.server !== this.#options.gateway) return undefined;
      const wanted = options.requested || client;
      const lease = this.#lease(mac, wanted, port);
      return lease?.ip === wanted ? finish(DhcpType.Ack, wanted) : finish(DhcpType.Nak, 0);
    }
    if (type === DhcpType.Inform) return finish(DhcpType.Ack, 0);
    const held = this.#byMac.get(mac);
    if (type === DhcpType.Release && held?.port === port && held.ip === client) this.#drop(held);
    return undefined;
  }

  #lease(mac: number, wanted: number, port: object): Lease | undefined {
    const nowMs = this.#options.wallMs();
    const known = this.#byMac.get(mac);
    if (known !== undefined) {
      if (known.port !== port) return undefined;
      known.expiresMs = nowMs + LEASE_SECONDS * 1000;
      return known;
    }
    const ofPort = [...this.#byMac.values()].filter((lease) => lease.port === port);
    if (ofPort.length >= MAXIMUM_LEASES_PER_PORT) this.#drop(ofPort[0]!);
    const ip = this.#isFree(wanted) ? wanted : this.#firstFree(nowMs);
    if (ip === undefined) return undefined;
    const lease: Lease = { mac, ip, port, expiresMs: nowMs + LEASE_SECONDS * 1000 };
    this.#byMac.set(mac, lease);
    this.#byIp.set(ip, lease);
    return lease;
  }

  #isFree(ip: number): boolean {
    const { subnet, gateway } = this.#options;
    const last = (subnet.base | ~subnet.mask) >>> 0;
    return contains(subnet, ip) && ip !== subnet.base && ip !== last && ip !== gateway && !this.#byIp.has(ip);
  }

  #firstFree(nowMs: number): number | undefined {
    const { subnet } = this.#options;
    const last = (subnet.base | ~subnet.mask) >>> 0;
    for (let ip = subnet.base + 2; ip < last && ip < subnet.base + 0x1_0000; ip++) if (this.#isFree(ip)) return ip;
    const expired = [...this.#byMac.values()].find((lease) => lease.expiresMs < nowMs);
    if (expired !== undefined) this.#drop(expired);
    return expired?.ip;
  }

  #drop(lease: Lease): void {
    this.#byMac.delete(lease.mac);
    this.#byIp.delete(lease.ip);
  }

  #write(
    reply: Uint8Array, message: ReturnType<typeof DhcpMessage.decode>, kind: number, ip: number, isInform: boolean,
  ): number {
    const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength);
    const { subnet, gateway, domain, mtu } = this.#options;
    reply.fill(0, 0, DhcpMessage.$size);
    DhcpMessage.encode(view, 0, {
      operation: DhcpOperation.Reply, hardwareType: HARDWARE_ETHERNET, hardwareSize: 6,
      transaction: message.transaction, flags: message.flags, clientIp: kind === DhcpType.Nak ? 0 : message.clientIp,
      yourIp: ip, serverIp: gateway, clientHardware: message.clientHardware, magic: DHCP_MAGIC,
    });
    let at = DhcpMessage.$size;
    const option = (code: number, ...values: readonly number[]): void => {
      reply.set([code, values.length, ...values], at);
      at += 2 + values.length;
    };
    option(DhcpOption.MessageType, kind);
    option(DhcpOption.ServerIdentifier, ...octets(gateway));
    if (kind !== DhcpType.Nak) {
      if (!isInform) {
        option(DhcpOption.LeaseSeconds, ...octets(LEASE_SECONDS));
        option(DhcpOption.RenewalSeconds, ...octets(LEASE_SECONDS / 2));
        option(DhcpOption.RebindingSeconds, ...octets(LEASE_SECONDS * 7 / 8));
      }
      option(DhcpOption.SubnetMask, ...octets(subnet.mask));
      option(DhcpOption.BroadcastAddress, ...octets((subnet.base | ~subnet.mask) >>> 0));
      option(DhcpOption.Router, ...octets(gateway));
      option(DhcpOption.DomainNameServer, ...octets(gateway));
      option(DhcpOption.DomainName, ...[...domain].map((letter) => letter.charCodeAt(0)));
      option(DhcpOption.InterfaceMtu, mtu >>> 8, mtu & 255);
    }
    reply[at++] = DhcpOption.End;
    // Old clients expect at least a BOOTP message [RFC 1542, 2.1].
    const length = Math.max(at, 300);
    reply.fill(0, at, length);
    return length;
  }
}

function octets(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function readOptions(view: DataView): { type: number; requested: number; server: number } {
  const found = { type: 0, requested: 0, server: 0 };
  let at = DhcpMessage.$size;
  while (at + 1 < view.byteLength) {
    const code = view.getUint8(at);
    if (code === DhcpOption.End) break;
    if (code === DhcpOption.Pad) {
      at++;
      continue;
    }
    const size = view.getUint8(at + 1);
    if (at + 2 + size > view.byteLength) break;
    if (code === DhcpOption.MessageType && size === 1) found.type = view.getUint8(at + 2);
    else if (code === DhcpOption.RequestedAddress && size === 4) found.requested = view.getUint32(at + 2);
    else if (code === DhcpOption.ServerIdentifier && size === 4) found.server = view.getUint32(at + 2);
    at += 2 + size;
  }
  return found;
}
