/**
 * The router that guests of a NAT network see by IPv6: tells of itself and of its prefix, is found as a neighbour,
 * answers echo, hands out addresses and names, and passes TCP and UDP to the tables.
 */
import type { Timer, Timers } from '../../kit/timers.ts';
import { DHCPV6_CLIENT_PORT, DHCPV6_SERVER_PORT } from '../../protocols/dhcpv6.ts';
import { DNS_PORT } from '../../protocols/dns.ts';
import { ETHERNET_HEADER_BYTES, EthernetHeader } from '../../protocols/ethernet.ts';
import {
  ICMPV6_PROHIBITED, Icmpv6Header, Icmpv6Type, NeighbourFlag, NeighbourMessage, NeighbourOption,
} from '../../protocols/icmpv6.ts';
import { IPV6_ADDRESS_BYTES, IpProtocol } from '../../protocols/ip.ts';
import { UdpHeader } from '../../protocols/udp.ts';
import type { Counters } from '../counters.ts';
import { readMac } from '../packet/addresses.ts';
import { IPV6_DESTINATION, IPV6_SOURCE, ipv6ChecksumHolds, readIpv6, type Ipv6Packet } from '../packet/ipv6-packet.ts';
import type { Dhcpv6Server } from './dhcpv6-server.ts';
import type { DnsProxy } from './dns-proxy.ts';
import type { Station } from './ip-output.ts';
import type { Ipv6Addresses } from './ipv6-addresses.ts';
import { ALL_NODES, ALL_NODES_MAC, type Ipv6Network, isMulticast, isUnspecified } from './ipv6-network.ts';
import { IPV6_PAYLOAD, type Ipv6Output } from './ipv6-output.ts';
import type { NatPort } from './nat-port.ts';
import type { Neighbours } from './neighbours.ts';
import { ADVERTISEMENT_MS, writeLinkOption, writeRouterAdvertisement } from './router-advertisement.ts';
import { readSegment } from './tcp-segment.ts';
import type { TcpTable } from './tcp-table.ts';
import type { UdpTable } from './udp-table.ts';

/** How much of a packet comes back in a complaint about it: all of it fits the smallest MTU [RFC 4443, 3.1]. */
const QUOTED_BYTES = 256;
const UDP_DATA = IPV6_PAYLOAD + UdpHeader.$size;

export interface Ipv6GatewayOptions {
  readonly network: Ipv6Network;
  readonly addresses: Ipv6Addresses;
  readonly output: Ipv6Output;
  readonly mac: number;
  readonly mtu: number;
  readonly domain: string;
  /** Whether there is a way beyond the host. */
  readonly outside: boolean;
  readonly timers: Timers;
  readonly counters: Counters;
  readonly neighbours: Neighbours;
  readonly ports: ReadonlySet<NatPort>;
  readonly dhcp: Dhcpv6Server;
  readonly dns: DnsProxy;
  readonly tcp: TcpTable;
  readonly udp: UdpTable;
}

export class Ipv6Gateway {
  readonly address: number;
  readonly #options: Ipv6GatewayOptions;
  readonly #packet: Ipv6Packet = { protocol: 0, payload: 0, payloadBytes: 0 };
  readonly #linkLocal: number;
  readonly #allNodes: number;
  #timer: Timer | undefined;

  constructor(options: Ipv6GatewayOptions) {
    this.#options = options;
    const { addresses, network } = options;
    this.address = addresses.numberOfBytes(network.gateway);
    this.#linkLocal = addresses.numberOfBytes(network.linkLocal);
    this.#allNodes = addresses.numberOfBytes(ALL_NODES);
  }

  /** Begins to tell of the prefix now and then, as its lifetimes want it. */
  start(): void {
    this.#timer ??= this.#options.timers.after(ADVERTISEMENT_MS, () => {
      this.#timer = undefined;
      this.start();
      for (const port of this.#options.ports) this.#advertise(port);
    });
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** A frame in a buffer that stays as it is during the call. */
  receive(port: NatPort, bytes: Uint8Array, view: DataView, length: number, offload: number, segment: number): void {
    const packet = this.#packet;
    const fault = readIpv6(view, length, segment, packet);
    if (fault !== undefined) return this.#count(fault);
    const from = bytes.subarray(IPV6_SOURCE, IPV6_SOURCE + IPV6_ADDRESS_BYTES);
    const to = bytes.subarray(IPV6_DESTINATION, IPV6_DESTINATION + IPV6_ADDRESS_BYTES);
    const isNobody = isUnspecified(from);
    const { addresses, network, tcp } = this.#options;
    const source = isNobody ? 0 : addresses.numberOf(view, IPV6_SOURCE);
    if (!isNobody && !this.#admit(port, source, from, readMac(bytes, EthernetHeader.source.offset))) return;
    const dataBytes = packet.protocol === IpProtocol.Udp ? udpBytes(view, packet) : packet.payloadBytes;
    if (dataBytes < 0) return this.#count('udp-malformed');
    if (!ipv6ChecksumHolds(bytes, packet, dataBytes, offload, segment)) return this.#count('ipv6-payload-checksum');
    if (packet.protocol === IpProtocol.IcmpV6) return this.#onControl(port, source, to, bytes, view);
    if (isNobody) return this.#count('ipv6-unspecified');
    if (packet.protocol === IpProtocol.Udp) return this.#onUdp(source, to, bytes, view, dataBytes);
    if (isMulticast(to)) return this.#count('ipv6-multicast');
    if (packet.protocol !== IpProtocol.Tcp) return this.#count('ip-protocol');
    const parsed = readSegment(view, packet.payload, packet.payloadBytes);
    if (parsed === undefined) return this.#count('tcp-malformed');
    const destination = network.isGateway(to) ? this.#gatewayOf(to) : addresses.numberOf(view, IPV6_DESTINATION);
    tcp.receive(source, destination, parsed);
  }

  #count(name: string): void {
    this.#options.counters.add(name);
  }

  #gatewayOf(to: Uint8Array): number {
    return to[0] === this.#options.network.linkLocal[0] ? this.#linkLocal : this.address;
  }

  /** Whether this port may speak from this address. An address that another port has is that port's. */
  #admit(port: NatPort, source: number, from: Uint8Array, mac: number): boolean {
    const { counters, neighbours, network } = this.#options;
    const owner = neighbours.ownerOf(source);
    if (!network.isGuest(from) || (owner !== undefined && owner !== port)) {
      counters.add('spoofed-address');
      return false;
    }
    if (neighbours.learnIp(source, mac, port)) return true;
    counters.add('neighbours-full');
    return false;
  }

  #onControl(port: NatPort, source: number, to: Uint8Array, bytes: Uint8Array, view: DataView): void {
    const { payload, payloadBytes } = this.#packet;
    if (payloadBytes < Icmpv6Header.$size) return this.#count('icmp-malformed');
    switch (Icmpv6Header.type.get(view, payload)) {
      case Icmpv6Type.RouterSolicitation: return this.#advertise(port);
      case Icmpv6Type.NeighbourSolicitation: return this.#onSolicitation(port, source, bytes, view);
      // A guest's answer: where it is was learned from its source.
      case Icmpv6Type.NeighbourAdvertisement: return;
      case Icmpv6Type.EchoRequest: return this.#onEcho(source, to, bytes);
      default: this.#count('icmp-type');
    }
  }

  #onSolicitation(port: NatPort, source: number, bytes: Uint8Array, view: DataView): void {
    const { payload, payloadBytes } = this.#packet;
    if (payloadBytes < NeighbourMessage.$size) return this.#count('icmp-malformed');
    const target = NeighbourMessage.target.get(view, payload);
    const { mac, network, output } = this.#options;
    if (!network.isGateway(target)) return;
    const isAsked = source !== 0;
    NeighbourMessage.encode(output.view, IPV6_PAYLOAD, {
      type: Icmpv6Type.NeighbourAdvertisement, code: 0, checksum: 0, target,
      flags: NeighbourFlag.Router + NeighbourFlag.Override + (isAsked ? NeighbourFlag.Solicited : 0),
    });
    const end = IPV6_PAYLOAD + NeighbourMessage.$size;
    const length = writeLinkOption(output.bytes, output.view, end, NeighbourOption.TargetLink, mac) - IPV6_PAYLOAD;
    const station = this.#on(port, isAsked ? readMac(bytes, EthernetHeader.source.offset) : ALL_NODES_MAC);
    output.sendControl(station, this.#gatewayOf(target), isAsked ? source : this.#allNodes, length);
  }

  #advertise(port: NatPort): void {
    const { output } = this.#options;
    const length = writeRouterAdvertisement(output.bytes, IPV6_PAYLOAD, this.#options);
    output.sendControl(this.#on(port, ALL_NODES_MAC), this.#linkLocal, this.#allNodes, length);
  }

  #onEcho(source: number, to: Uint8Array, bytes: Uint8Array): void {
    const { neighbours, network, output } = this.#options;
    const { payload, payloadBytes } = this.#packet;
    const station = neighbours.station(source);
    if (station === undefined) return this.#count('no-neighbour');
    if (isMulticast(to)) return this.#count('ipv6-multicast');
    if (network.isGateway(to)) {
      output.bytes.set(bytes.subarray(payload, payload + payloadBytes), IPV6_PAYLOAD);
      Icmpv6Header.encode(output.view, IPV6_PAYLOAD, { type: Icmpv6Type.EchoReply, code: 0, checksum: 0 });
      return output.sendControl(station, this.#gatewayOf(to), source, payloadBytes);
    }
    // Echo beyond the gateway takes a privilege that this network does without: the guest is told.
    this.#count('icmp-prohibited');
    const quoted = bytes.subarray(ETHERNET_HEADER_BYTES, Math.min(payload + payloadBytes, payload + QUOTED_BYTES));
    output.bytes.set(quoted, IPV6_PAYLOAD + Icmpv6Header.$size);
    Icmpv6Header.encode(output.view, IPV6_PAYLOAD, {
      type: Icmpv6Type.Unreachable, code: ICMPV6_PROHIBITED, checksum: 0, word: 0,
    });
    output.sendControl(station, this.address, source, Icmpv6Header.$size + quoted.length);
  }

  #onUdp(source: number, to: Uint8Array, bytes: Uint8Array, view: DataView, length: number): void {
    const { addresses, dhcp, dns, network, udp } = this.#options;
    const { payload } = this.#packet;
    const sourcePort = UdpHeader.sourcePort.get(view, payload);
    const destinationPort = UdpHeader.destinationPort.get(view, payload);
    const data = bytes.subarray(payload + UdpHeader.$size, payload + length);
    const isGateway = network.isGateway(to);
    if (destinationPort === DHCPV6_SERVER_PORT && (isGateway || isMulticast(to))) {
      const answer = dhcp.answer(data, readMac(bytes, EthernetHeader.source.offset));
      if (answer === undefined) return this.#count('dhcp-unanswered');
      return this.sendUdp(this.#linkLocal, DHCPV6_SERVER_PORT, source, DHCPV6_CLIENT_PORT, answer);
    }
    if (isMulticast(to)) return this.#count('ipv6-multicast');
    if (sourcePort === 0 || destinationPort === 0) return this.#count('udp-malformed');
    const destination = isGateway ? this.#gatewayOf(to) : addresses.numberOf(view, IPV6_DESTINATION);
    if (isGateway && destinationPort === DNS_PORT) {
      return dns.query(data, (answer) => this.sendUdp(destination, DNS_PORT, source, sourcePort, answer));
    }
    udp.send(source, sourcePort, destination, destinationPort, data);
  }

  /** A datagram for a guest; lost when nobody knows where it is. */
  sendUdp(from: number, fromPort: number, to: number, toPort: number, payload: Uint8Array): void {
    const { neighbours, output } = this.#options;
    const station = neighbours.station(to);
    if (station === undefined) return this.#count('no-neighbour');
    output.bytes.set(payload, UDP_DATA);
    output.sendUdp(station, from, fromPort, to, toPort, payload.length);
  }

  #on(port: NatPort, mac: number): Station {
    return { mac, send: (frame, length, keep) => port.send(frame, length, keep) };
  }
}

/** What a datagram's header says of its length; -1 when that does not fit, or there is no checksum. */
function udpBytes(view: DataView, { payload, payloadBytes }: Ipv6Packet): number {
  const length = payloadBytes < UdpHeader.$size ? 0 : UdpHeader.length.get(view, payload);
  const isGood = length >= UdpHeader.$size && length <= payloadBytes && UdpHeader.checksum.get(view, payload) !== 0;
  return isGood ? length : -1;
}
