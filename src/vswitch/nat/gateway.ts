/**
 * The router that guests of a NAT network see: answers ARP and echo, hands out addresses and names, and passes TCP and
 * UDP to the tables that carry them through the host's sockets.
 */
import { ARP_HARDWARE_ETHERNET, ArpOperation, ArpPacket } from '../../protocols/arp.ts';
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT } from '../../protocols/dhcp.ts';
import { DNS_PORT } from '../../protocols/dns.ts';
import { ETHERNET_HEADER_BYTES, EtherType, EthernetHeader } from '../../protocols/ethernet.ts';
import { IcmpHeader, IcmpType, IcmpUnreachable } from '../../protocols/icmp.ts';
import { IPV4_BROADCAST, IpProtocol } from '../../protocols/ip.ts';
import { UdpHeader } from '../../protocols/udp.ts';
import type { Counters } from '../counters.ts';
import { BROADCAST_MAC, readMac } from '../packet/addresses.ts';
import { addBytes, finish } from '../packet/checksum.ts';
import { readIpv4, transportChecksumHolds, type Ipv4Packet } from '../packet/ipv4-packet.ts';
import type { DhcpServer } from './dhcp-server.ts';
import type { DnsProxy } from './dns-proxy.ts';
import { PAYLOAD, type Ipv4Output } from './ipv4-output.ts';
import type { NatPort } from './nat-port.ts';
import type { Neighbours } from './neighbours.ts';
import { contains, type Subnet } from './subnet.ts';
import { readSegment } from './tcp-segment.ts';
import type { TcpTable } from './tcp-table.ts';
import type { UdpForwards } from './udp-forwards.ts';
import type { UdpTable } from './udp-table.ts';

const UDP_DATA = PAYLOAD + UdpHeader.$size;
/** How much of a packet comes back in a complaint about it: its header and eight bytes [RFC 792]. */
const QUOTED_PAYLOAD_BYTES = 8;

export interface GatewayOptions {
  readonly subnet: Subnet;
  readonly address: number;
  readonly mac: number;
  readonly counters: Counters;
  readonly neighbours: Neighbours;
  readonly output: Ipv4Output;
  readonly dhcp: DhcpServer;
  readonly dns: DnsProxy;
  readonly tcp: TcpTable;
  readonly udp: UdpTable;
  readonly udpForwards: UdpForwards;
}

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #packet: Ipv4Packet = { source: 0, destination: 0, protocol: 0, payload: 0, payloadBytes: 0 };

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  /** A frame in a buffer that stays as it is during the call. */
  receive(port: NatPort, bytes: Uint8Array, view: DataView, length: number, offload: number, segment: number): void {
    const etherType = EthernetHeader.etherType.get(view, 0);
    if (etherType === EtherType.Arp) return this.#onArp(port, view, length);
    if (etherType !== EtherType.Ipv4) return this.#count('ether-type');
    const packet = this.#packet;
    const fault = readIpv4(view, length, offload, segment, packet);
    if (fault !== undefined) return this.#count(fault);
    if (!this.#admit(port, packet, readMac(bytes, EthernetHeader.source.offset))) return;
    if (packet.protocol === IpProtocol.Udp) return this.#onUdp(port, bytes, view, offload, segment);
    if (packet.source === 0 || this.#isBroadcast(packet.destination)) return this.#count('broadcast');
    if (packet.protocol === IpProtocol.Icmp) return this.#onIcmp(bytes, view);
    if (packet.protocol !== IpProtocol.Tcp) return this.#count('ip-protocol');
    if (!transportChecksumHolds(bytes, packet, packet.payloadBytes, offload, segment)) {
      return this.#count('tcp-checksum');
    }
    const parsed = readSegment(view, packet.payload, packet.payloadBytes);
    if (parsed === undefined) return this.#count('tcp-malformed');
    this.#options.tcp.receive(packet.source, packet.destination, parsed);
  }

  #count(name: string): void {
    this.#options.counters.add(name);
  }

  #isBroadcast(ip: number): boolean {
    const { subnet } = this.#options;
    return ip === IPV4_BROADCAST || ip === ((subnet.base | ~subnet.mask) >>> 0);
  }

  /** Whether this port may speak from this address; 0 is what a client without a lease uses. */
  #admit(port: NatPort, packet: Ipv4Packet, mac: number): boolean {
    const { source } = packet;
    return source === 0 || this.#learn(port, source, mac);
  }

  #learn(port: NatPort, ip: number, mac: number): boolean {
    const { subnet, address, dhcp, neighbours, counters } = this.#options;
    const lease = dhcp.leaseOf(ip);
    const isForeign = !contains(subnet, ip) || ip === address || ip === subnet.base || this.#isBroadcast(ip);
    if (isForeign || (lease !== undefined && lease.port !== port)) {
      counters.add('spoofed-address');
      return false;
    }
    if (neighbours.learnIp(ip, mac, port)) return true;
    counters.add('neighbours-full');
    return false;
  }

  #onArp(port: NatPort, view: DataView, length: number): void {
    if (length < ETHERNET_HEADER_BYTES + ArpPacket.$size) return this.#count('arp-malformed');
    const arp = ArpPacket.decode(view, ETHERNET_HEADER_BYTES);
    const isIpv4 = arp.hardwareType === ARP_HARDWARE_ETHERNET && arp.protocolType === EtherType.Ipv4
      && arp.hardwareSize === 6 && arp.protocolSize === 4;
    if (!isIpv4) return this.#count('arp-malformed');
    const mac = readMac(arp.senderMac, 0);
    if (arp.senderIp !== 0 && !this.#learn(port, arp.senderIp, mac)) return;
    const { address, output } = this.#options;
    if (arp.operation !== ArpOperation.Request || arp.targetIp !== address) return;
    output.ethernet(mac, EtherType.Arp);
    ArpPacket.encode(output.view, ETHERNET_HEADER_BYTES, {
      ...arp, operation: ArpOperation.Reply, senderMac: output.bytes.slice(6, 12), senderIp: address,
      targetMac: arp.senderMac, targetIp: arp.senderIp,
    });
    port.send(output.bytes, ETHERNET_HEADER_BYTES + ArpPacket.$size, true);
  }

  #onIcmp(bytes: Uint8Array, view: DataView): void {
    const { source, destination, payload, payloadBytes } = this.#packet;
    if (payloadBytes < IcmpHeader.$size) return this.#count('icmp-malformed');
    if (finish(addBytes(0, bytes, payload, payloadBytes)) !== 0) return this.#count('icmp-checksum');
    if (IcmpHeader.type.get(view, payload) !== IcmpType.EchoRequest) return this.#count('icmp-type');
    const { address, output, neighbours } = this.#options;
    const station = neighbours.station(source);
    if (station === undefined) return this.#count('no-neighbour');
    let replyBytes = payloadBytes;
    if (destination === address) {
      output.bytes.set(bytes.subarray(payload, payload + payloadBytes), PAYLOAD);
      IcmpHeader.encode(output.view, PAYLOAD, { type: IcmpType.EchoReply, code: 0, checksum: 0 });
    } else {
      // Echo beyond the gateway takes a privilege that this network does without: the guest is told.
      this.#count('icmp-prohibited');
      const quoted = bytes.subarray(ETHERNET_HEADER_BYTES, payload + QUOTED_PAYLOAD_BYTES);
      replyBytes = IcmpHeader.$size + quoted.length;
      output.bytes.set(quoted, PAYLOAD + IcmpHeader.$size);
      IcmpHeader.encode(output.view, PAYLOAD, {
        type: IcmpType.Unreachable, code: IcmpUnreachable.Prohibited, checksum: 0, identifier: 0, sequence: 0,
      });
    }
    IcmpHeader.checksum.set(output.view, PAYLOAD, finish(addBytes(0, output.bytes, PAYLOAD, replyBytes)));
    output.send(station, address, source, IpProtocol.Icmp, replyBytes, true);
  }

  #onUdp(port: NatPort, bytes: Uint8Array, view: DataView, offload: number, segment: number): void {
    const { source, destination, payload, payloadBytes } = this.#packet;
    const length = payloadBytes < UdpHeader.$size ? 0 : UdpHeader.length.get(view, payload);
    if (length < UdpHeader.$size || length > payloadBytes) return this.#count('udp-malformed');
    const hasChecksum = UdpHeader.checksum.get(view, payload) !== 0;
    if (hasChecksum && !transportChecksumHolds(bytes, this.#packet, length, offload, segment)) {
      return this.#count('udp-checksum');
    }
    const sourcePort = UdpHeader.sourcePort.get(view, payload);
    const destinationPort = UdpHeader.destinationPort.get(view, payload);
    const data = bytes.subarray(payload + UdpHeader.$size, payload + length);
    const { address, dns, udp, udpForwards } = this.#options;
    const isForGateway = destination === address || this.#isBroadcast(destination);
    if (isForGateway && destinationPort === DHCP_SERVER_PORT) return this.#onDhcp(port, data);
    if (source === 0 || this.#isBroadcast(destination)) return this.#count('broadcast');
    if (sourcePort === 0 || destinationPort === 0) return this.#count('udp-malformed');
    if (destination === address && destinationPort === DNS_PORT) {
      return dns.query(data, (answer) => this.sendUdp(address, DNS_PORT, source, sourcePort, answer));
    }
    if (destination === address && udpForwards.answer(source, sourcePort, destinationPort, data)) return;
    udp.send(source, sourcePort, destination, destinationPort, data);
  }

  #onDhcp(port: NatPort, message: Uint8Array): void {
    const { address, dhcp, output } = this.#options;
    const reply = dhcp.answer(message, output.bytes.subarray(UDP_DATA), port);
    if (reply === undefined) return this.#count('dhcp-unanswered');
    const isBroadcast = reply.broadcast || reply.ip === 0;
    const station = {
      mac: isBroadcast ? BROADCAST_MAC : reply.mac,
      send: (frame: Uint8Array, length: number, keep: boolean) => port.send(frame, length, keep),
    };
    const destination = isBroadcast ? IPV4_BROADCAST : reply.ip;
    output.sendUdp(station, address, DHCP_SERVER_PORT, destination, DHCP_CLIENT_PORT, reply.length);
  }

  /** A datagram for a guest; lost when nobody knows where it is. */
  sendUdp(from: number, fromPort: number, to: number, toPort: number, payload: Uint8Array): void {
    const { neighbours, output } = this.#options;
    const station = neighbours.station(to);
    if (station === undefined) return this.#count('no-neighbour');
    output.bytes.set(payload, UDP_DATA);
    output.sendUdp(station, from, fromPort, to, toPort, payload.length);
  }
}
