/**
 * The IPv6 side of a NAT network: its prefix, a unique local one that follows from the range of IPv4 so that it is the
 * same after a restore [RFC 4193, 3.2], and the addresses that mean the gateway.
 */
import { createHash } from 'node:crypto';
import { IPV6_ADDRESS_BYTES } from '../../protocols/ip.ts';
import { ipv6Text } from './ipv6-addresses.ts';

const UNIQUE_LOCAL = 0xfd;
const GLOBAL_IDENTIFIER_BYTES = 5;
export const PREFIX_BYTES = 8;
const LINK_LOCAL = [0xfe, 0x80];
const MULTICAST = 0xff;
const LOOPBACK_TEXT = '::1';

export const ALL_NODES = addressOf([MULTICAST, 0x02], 1);
export const ALL_NODES_MAC = 0x3333_0000_0001;

export class Ipv6Network {
  /** Sixteen bytes, the last eight of which are 0. */
  readonly prefix: Uint8Array;
  readonly gateway: Uint8Array;
  readonly linkLocal = addressOf(LINK_LOCAL, 1);
  readonly prefixText: string;
  readonly gatewayText: string;

  /** @param subnet the range of IPv4, as text */
  constructor(subnet: string) {
    const identifier = createHash('sha256').update(subnet).digest().subarray(0, GLOBAL_IDENTIFIER_BYTES);
    this.prefix = addressOf([UNIQUE_LOCAL, ...identifier], 0);
    this.gateway = addressOf([UNIQUE_LOCAL, ...identifier], 1);
    this.prefixText = `${ipv6Text(this.prefix)}/64`;
    this.gatewayText = ipv6Text(this.gateway);
  }

  isGateway(address: Uint8Array): boolean {
    return same(address, this.gateway, IPV6_ADDRESS_BYTES) || same(address, this.linkLocal, IPV6_ADDRESS_BYTES);
  }

  /** Whether it is one that a guest may have. */
  isGuest(address: Uint8Array): boolean {
    const isHere = same(address, this.prefix, PREFIX_BYTES) || isLinkLocal(address);
    return isHere && !this.isGateway(address);
  }

  /** Whether it is one of the prefix, which others on the network reach. */
  isInPrefix(address: Uint8Array): boolean {
    return same(address, this.prefix, PREFIX_BYTES);
  }

  /** Where packets to an address beyond go; undefined when nobody may send there. */
  outside(address: Uint8Array, text: string): string | undefined {
    // What is not unicast of the internet or of a site: loopback, mapped IPv4, link-local, multicast [RFC 6890].
    const first = address[0]!;
    const isUnicast = (first & 0xe0) === 0x20 || (first & 0xfe) === 0xfc;
    return isUnicast && !same(address, this.prefix, PREFIX_BYTES) ? text : undefined;
  }
}

/** What the gateway's addresses mean on the host. */
export const HOST_LOOPBACK = LOOPBACK_TEXT;

export function isMulticast(address: Uint8Array): boolean {
  return address[0] === MULTICAST;
}

export function isUnspecified(address: Uint8Array): boolean {
  return address.every((byte) => byte === 0);
}

function isLinkLocal(address: Uint8Array): boolean {
  return address[0] === LINK_LOCAL[0] && (address[1]! & 0xc0) === LINK_LOCAL[1];
}

function same(a: Uint8Array, b: Uint8Array, count: number): boolean {
  for (let i = 0; i < count; i++) if (a[i] !== b[i]) return false;
  return true;
}

function addressOf(start: readonly number[], last: number): Uint8Array {
  const bytes = new Uint8Array(IPV6_ADDRESS_BYTES);
  bytes.set(start);
  bytes[IPV6_ADDRESS_BYTES - 1] = last;
  return bytes;
}
