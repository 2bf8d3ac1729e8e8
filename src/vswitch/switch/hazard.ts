/**
 * What only servers and routers send: DHCP answers [RFC 2131; RFC 8415], router advertisements and redirects [RFC 1256;
 * RFC 792; RFC 4861]. IPv6 extension headers are followed, as a guest would [RFC 7113]; a fragment that hides what it
 * is counts as what it could be.
 */
import { EtherType } from '../../protocols/ethernet.ts';
import { IpProtocol } from '../../protocols/ip.ts';

export const Hazard = { None: 0, DhcpServer: 1, Router: 2, Unknown: 3 } as const;
export type Hazard = (typeof Hazard)[keyof typeof Hazard];

const DHCP_SERVER_PORT = 67;
const DHCP6_SERVER_PORT = 547;
const BOOT_REPLY = 2;
const ICMP_REDIRECT = 5;
const ICMP_ROUTER_ADVERTISEMENT = 9;
const ICMP6_ROUTER_ADVERTISEMENT = 134;
const ICMP6_REDIRECT = 137;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const UDP_HEADER = 8;

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
const DESTINATION_OPTIONS = 60;
/** More than any sender has use for. */
const MAXIMUM_EXTENSION_HEADERS = 16;

/** What the packet between `at` and `end`, of an Ethernet type, is. */
export function hazardOf(bytes: Uint8Array, at: number, end: number, type: number): Hazard {
  if (type === EtherType.Ipv4) return ipv4Hazard(bytes, at, end);
  return type === EtherType.Ipv6 ? ipv6Hazard(bytes, at, end) : Hazard.None;
}

function ipv4Hazard(bytes: Uint8Array, at: number, end: number): Hazard {
  if (end - at < IPV4_HEADER) return Hazard.None;
  const header = (bytes[at]! & 15) * 4;
  const fragment = ((bytes[at + 6]! & 0x3f) << 8) | bytes[at + 7]!;
  const protocol = bytes[at + 9]!;
  // A later fragment says nothing of what it is; without its first one, which is looked at, it comes to nothing.
  if (header < IPV4_HEADER || (fragment & 0x1fff) !== 0) return Hazard.None;
  const start = at + header;
  const isWhole = fragment === 0;
  if (protocol === IpProtocol.Icmp) {
    if (end - start < 1) return isWhole ? Hazard.None : Hazard.Unknown;
    const kind = bytes[start]!;
    return kind === ICMP_REDIRECT || kind === ICMP_ROUTER_ADVERTISEMENT ? Hazard.Router : Hazard.None;
  }
  return protocol === IpProtocol.Udp ? udpHazard(bytes, start, end, DHCP_SERVER_PORT, isWhole) : Hazard.None;
}

function udpHazard(bytes: Uint8Array, at: number, end: number, serverPort: number, isWhole: boolean): Hazard {
  if (end - at < UDP_HEADER) return isWhole ? Hazard.None : Hazard.Unknown;
  if (((bytes[at]! << 8) | bytes[at + 1]!) !== serverPort) return Hazard.None;
  if (serverPort !== DHCP_SERVER_PORT) return Hazard.DhcpServer;
  const operation = bytes[at + UDP_HEADER];
  if (end - at <= UDP_HEADER) return isWhole ? Hazard.None : Hazard.Unknown;
  return operation === BOOT_REPLY ? Hazard.DhcpServer : Hazard.None;
}

function ipv6Hazard(bytes: Uint8Array, at: number, end: number): Hazard {
  if (end - at < IPV6_HEADER) return Hazard.None;
  let next = bytes[at + 6]!;
  let place = at + IPV6_HEADER;
  let isWhole = true;
  for (let count = 0; count <= MAXIMUM_EXTENSION_HEADERS; count++) {
    switch (next) {
      case IpProtocol.IcmpV6: {
        if (end - place < 1) return isWhole ? Hazard.None : Hazard.Unknown;
        const kind = bytes[place]!;
        return kind === ICMP6_ROUTER_ADVERTISEMENT || kind === ICMP6_REDIRECT ? Hazard.Router : Hazard.None;
      }
      case IpProtocol.Udp: return udpHazard(bytes, place, end, DHCP6_SERVER_PORT, isWhole);
      case HOP_BY_HOP:
      case ROUTING:
      case DESTINATION_OPTIONS:
      case AUTHENTICATION:
      case FRAGMENT: break;
      default: return Hazard.None;
    }
    if (end - place < 8) return isWhole ? Hazard.None : Hazard.Unknown;
    if (next === FRAGMENT) {
      const word = (bytes[place + 2]! << 8) | bytes[place + 3]!;
      if (word >>> 3 !== 0) return Hazard.None;
      if ((word & 1) !== 0) isWhole = false;
    }
    const units = bytes[place + 1]!;
    const length = next === FRAGMENT ? 8 : next === AUTHENTICATION ? (units + 2) * 4 : (units + 1) * 8;
    next = bytes[place]!;
    place += length;
  }
  return Hazard.Unknown;
}
