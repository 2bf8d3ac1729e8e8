/**
 * A NAT network without privilege: NICs that are attached get an address, a gateway and a name server, reach each
 * other, and reach beyond through the host's own sockets. See README.md beside this file.
 */
import { randomBytes } from 'node:crypto';
import { HostClock, type Clock } from '../../kit/clock.ts';
import { OperatingError } from '../../kit/errors.ts';
import { parseMacAddress } from '../../kit/mac-address.ts';
import type { NetworkEndpoint } from '../../kit/network-endpoint.ts';
import { HostTimers, type Timers } from '../../kit/timers.ts';
import { DNS_PORT } from '../../protocols/dns.ts';
import { ETHERNET_HEADER_BYTES, EtherType, EthernetHeader } from '../../protocols/ethernet.ts';
import { IPV4_MAXIMUM_BYTES } from '../../protocols/ip.ts';
import { Counters } from '../counters.ts';
import { ipv4Text, isGroupMac, parseIpv4, readMac } from '../packet/addresses.ts';
import { DhcpServer } from './dhcp-server.ts';
import { DnsProxy, parseServer } from './dns-proxy.ts';
import { Gateway } from './gateway.ts';
import { Dhcpv6Server } from './dhcpv6-server.ts';
import type { HostNetwork, Listening, Route, StreamEvents } from './host-network.ts';
import { Ipv4Output } from './ipv4-output.ts';
import { Ipv6Addresses, isIpv6 } from './ipv6-addresses.ts';
import { Ipv6Gateway } from './ipv6-gateway.ts';
import { HOST_LOOPBACK as IPV6_LOOPBACK, Ipv6Network } from './ipv6-network.ts';
import { Ipv6Output } from './ipv6-output.ts';
import { NatPort } from './nat-port.ts';
import { Neighbours } from './neighbours.ts';
import { NodeHostNetwork } from './node-host-network.ts';
import { chooseSubnet, contains, hostSubnets, parseSubnet, subnetText, type Subnet } from './subnet.ts';
import { TcpTable } from './tcp-table.ts';
import { UdpForwards } from './udp-forwards.ts';
import { UdpTable } from './udp-table.ts';

/** 52-55-… is locally administered; the rest is the same on every NAT network, which are apart from each other. */
const GATEWAY_MAC = 0x5255_0a00_0001;
const LOOPBACK = '127.0.0.1';
const DEFAULT_MTU = 1500;
const DEFAULT_DOMAIN = 'mshome.net';

export interface NatNetworkOptions {
  /** As in `10.1.2.0/24`; unless told, a private range that the host has no route to. */
  readonly subnet?: string;
  /** Whether the gateway's address reaches the host's loopback, and so what listens there. It does unless told. */
  readonly hostLoopback?: boolean;
  /** Whether guests reach beyond the host. They do unless told. */
  readonly outside?: boolean;
  readonly mtu?: number;
  /** VMs are known as `NAME` and `NAME.<domain>`. */
  readonly domain?: string;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly host?: HostNetwork;
  readonly randomBytes?: (count: number) => Uint8Array;
}

export interface PortForward {
  /** TCP unless told. */
  readonly protocol?: 'tcp' | 'udp';
  /** `127.0.0.1` unless told. */
  readonly hostAddress?: string;
  /** 0: any free one. */
  readonly hostPort: number;
  /** The name a NIC was attached under, an address of IPv4, or a hardware address such as 00-15-5d-00-00-01. */
  readonly guest: string;
  readonly guestPort: number;
}

export class NatNetwork {
  readonly counters = new Counters();
  readonly subnet: string;
  readonly gatewayAddress: string;
  readonly ipv6: Ipv6Network;
  readonly #subnet: Subnet;
  readonly #gatewayIp: number;
  readonly #hostLoopback: boolean;
  readonly #outside: boolean;
  readonly #host: HostNetwork;
  readonly #neighbours = new Neighbours();
  readonly #ports = new Set<NatPort>();
  readonly #forwards = new Set<Listening>();
  readonly #dhcp: DhcpServer;
  readonly #dns: DnsProxy;
  readonly #tcp: TcpTable;
  readonly #udp: UdpTable;
  readonly #udpForwards: UdpForwards;
  readonly #gateway: Gateway;
  readonly #addresses = new Ipv6Addresses();
  readonly #ipv6Gateway: Ipv6Gateway;
  readonly #frame = new Uint8Array(ETHERNET_HEADER_BYTES + IPV4_MAXIMUM_BYTES);
  readonly #view = new DataView(this.#frame.buffer);
  #isFlushDue = false;

  constructor(options: NatNetworkOptions = {}) {
    const { mtu = DEFAULT_MTU, domain = DEFAULT_DOMAIN, clock = new HostClock(), timers = new HostTimers() } = options;
    const random = options.randomBytes ?? randomBytes;
    const identifier = (): number => new DataView(Uint8Array.from(random(4)).buffer).getUint32(0);
    this.#subnet = options.subnet === undefined ? chooseSubnet(hostSubnets()) : parseSubnet(options.subnet);
    this.subnet = subnetText(this.#subnet);
    this.#gatewayIp = this.#subnet.base + 1;
    this.gatewayAddress = ipv4Text(this.#gatewayIp);
    this.ipv6 = new Ipv6Network(this.subnet);
    this.#hostLoopback = options.hostLoopback ?? true;
    this.#outside = options.outside ?? true;
    this.#host = options.host ?? new NodeHostNetwork();
    const { counters } = this;
    const host = this.#host;
    const output = new Ipv4Output(GATEWAY_MAC, mtu);
    const ipv6Output = new Ipv6Output(this.#addresses, GATEWAY_MAC, mtu);
    const shared = { clock, timers, counters, host };
    this.#dhcp = new DhcpServer({
      subnet: this.#subnet, gateway: this.#gatewayIp, domain, mtu, wallMs: () => clock.wallMs(),
    });
    this.#dns = new DnsProxy({
      ...shared, identifier, domain, lookup: (name) => this.#lookup(name),
      lookupIpv6: (name) => this.#lookupIpv6(name),
    });
    this.#tcp = new TcpTable({
      ...shared, output: (ip) => isIpv6(ip) ? ipv6Output : output, sequence: identifier,
      station: (ip) => this.#neighbours.station(ip),
      route: (ip, port) => this.#routeTcp(ip, port),
    });
    this.#udp = new UdpTable({
      ...shared, route: (ip, port) => this.#route(ip, port),
      deliver: (from, fromPort, to, toPort, payload) =>
        (isIpv6(to) ? this.#ipv6Gateway : this.#gateway).sendUdp(from, fromPort, to, toPort, payload),
    });
    this.#udpForwards = new UdpForwards({
      ...shared, deliver: (fromPort, to, toPort, payload) =>
        this.#gateway.sendUdp(this.#gatewayIp, fromPort, to, toPort, payload),
    });
    this.#gateway = new Gateway({
      subnet: this.#subnet, address: this.#gatewayIp, mac: GATEWAY_MAC, counters, neighbours: this.#neighbours, output,
      dhcp: this.#dhcp, dns: this.#dns, tcp: this.#tcp, udp: this.#udp, udpForwards: this.#udpForwards,
    });
    this.#ipv6Gateway = new Ipv6Gateway({
      network: this.ipv6, addresses: this.#addresses, output: ipv6Output, mac: GATEWAY_MAC, mtu, domain, timers,
      counters, neighbours: this.#neighbours, ports: this.#ports, dns: this.#dns, tcp: this.#tcp, udp: this.#udp,
      outside: this.#outside, dhcp: new Dhcpv6Server({ network: this.ipv6, mac: GATEWAY_MAC, domain }),
    });
  }

  /** What a NIC holds; `name` is its VM's, under which the other VMs find it. Close it when the NIC goes. */
  attach(name: string): NetworkEndpoint {
    const port = new NatPort(name.toLowerCase(), {
      counters: this.counters,
      receive: (...frame) => this.#receive(...frame),
      flush: () => this.#flush(),
      resume: () => this.#tcp.resume(),
      detach: (gone) => this.#detach(gone),
    });
    this.#ports.add(port);
    this.#ipv6Gateway.start();
    return port;
  }

  /**
   * Lets the host's port reach a guest's.
   * @throws OperatingError when the host's port cannot be had.
   */
  async forward({ protocol, hostAddress = '127.0.0.1', hostPort, guest, guestPort }: PortForward): Promise<Listening> {
    const address = (): number | undefined => parseIpv4(guest) ?? this.#addressOfMac(guest)
      ?? (this.#lookup(guest.toLowerCase()) || undefined);
    let listening: Listening;
    try {
      listening = protocol === 'udp' ? await this.#udpForwards.listen(hostAddress, hostPort, address, guestPort)
        : await this.#forwardTcp(hostAddress, hostPort, address, guestPort);
    } catch (cause) {
      const why = (cause as Error).message;
      throw new OperatingError('host', `cannot listen on ${hostAddress}:${hostPort}, name another: ${why}`, { cause });
    }
    const forward: Listening = {
      port: listening.port,
      close: () => {
        listening.close();
        this.#forwards.delete(forward);
      },
    };
    this.#forwards.add(forward);
    return forward;
  }

  #forwardTcp(
    hostAddress: string, hostPort: number, address: () => number | undefined, guestPort: number,
  ): Promise<Listening> {
    return this.#host.listen(hostAddress, hostPort, (stream) => {
      const ip = address();
      const events = ip === undefined ? undefined : this.#tcp.accept(ip, guestPort, this.#gatewayIp, stream);
      if (events !== undefined) return events;
      this.counters.add('forward-unreachable');
      stream.reset();
      return IGNORED;
    });
  }

  /** Sizes of the tables, for status and tests. */
  get sizes(): { readonly tcp: number; readonly udp: number; readonly ports: number } {
    return { tcp: this.#tcp.size, udp: this.#udp.size, ports: this.#ports.size };
  }

  close(): void {
    for (const forward of this.#forwards) forward.close();
    for (const port of this.#ports) port.close();
    this.#tcp.close();
    this.#udp.close();
    this.#dns.close();
    this.#ipv6Gateway.close();
  }

  #detach(port: NatPort): void {
    this.#ports.delete(port);
    this.#dhcp.release(port);
    for (const ip of this.#neighbours.forget(port)) {
      this.#tcp.close(ip);
      this.#udp.close(ip);
    }
  }

  #lookup(name: string): number | undefined {
    if (name === 'gateway' || name === 'host') return this.#gatewayIp;
    const port = [...this.#ports].find((each) => each.name === name);
    if (port === undefined) return undefined;
    return this.#dhcp.leaseOfPort(port)?.ip ?? this.#neighbours.addressOf(port, (ip) => !isIpv6(ip)) ?? 0;
  }

  #addressOfMac(text: string): number | undefined {
    const bytes = parseMacAddress(text);
    if (bytes === undefined) return undefined;
    const mac = readMac(bytes, 0);
    return this.#dhcp.leaseOfMac(mac)?.ip ?? this.#neighbours.addressOfMac(mac, (ip) => !isIpv6(ip));
  }

  #lookupIpv6(name: string): Uint8Array | undefined {
    if (name === 'gateway' || name === 'host') return this.ipv6.gateway;
    const port = [...this.#ports].find((each) => each.name === name);
    if (port === undefined) return undefined;
    const number = this.#neighbours.addressOf(port, (ip) => {
      const address = this.#addresses.get(ip);
      return address !== undefined && this.ipv6.isInPrefix(address.bytes);
    });
    return number === undefined ? undefined : this.#addresses.get(number)?.bytes;
  }

  #routeTcp(ip: number, port: number): Route | undefined {
    if (ip !== this.#gatewayIp || port !== DNS_PORT) return this.#route(ip, port);
    // Long answers come by TCP, from the resolver itself.
    const server = this.#host.resolvers().map(parseServer).find(({ address }) => parseIpv4(address) !== undefined);
    return server === undefined ? undefined : { addresses: [server.address], port: server.port };
  }

  #route(ip: number, port: number): Route | undefined {
    if (isIpv6(ip)) return this.#routeIpv6(ip, port);
    if (ip === this.#gatewayIp) return this.#hostLoopback ? { addresses: [LOOPBACK], port } : undefined;
    if (!this.#outside) return undefined;
    const first = ip >>> 24;
    // "This network", loopback, and everything from multicast on [RFC 6890].
    if (first === 0 || first === 127 || first >= 224 || contains(this.#subnet, ip)) return undefined;
    return { addresses: [ipv4Text(ip)], port };
  }

  #routeIpv6(ip: number, port: number): Route | undefined {
    const address = this.#addresses.get(ip);
    if (address === undefined) return undefined;
    if (this.ipv6.isGateway(address.bytes)) {
      // What listens on the host's loopback often does so by IPv4 alone.
      return this.#hostLoopback ? { addresses: [IPV6_LOOPBACK, LOOPBACK], port } : undefined;
    }
    const text = this.#outside ? this.ipv6.outside(address.bytes, address.text) : undefined;
    return text === undefined ? undefined : { addresses: [text], port };
  }

  #receive(
    port: NatPort, buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number,
  ): void {
    if (length < ETHERNET_HEADER_BYTES) return this.counters.add('runt');
    if (length > this.#frame.length) return this.counters.add('oversized');
    // The gateway reads its own copy: the caller's may be memory that the guest still writes to.
    const frame = this.#frame;
    frame.set(buffer.subarray(offset, offset + length));
    const destination = readMac(frame, EthernetHeader.destination.offset);
    const source = readMac(frame, EthernetHeader.source.offset);
    if (isGroupMac(source) || source === GATEWAY_MAC) return this.counters.add('spoofed-mac');
    if (!this.#neighbours.learnMac(source, port)) return this.counters.add('neighbours-full');
    if (destination === GATEWAY_MAC) {
      this.#toGateway(port, length, offload, segmentBytes);
    } else if (isGroupMac(destination)) {
      // Taken before anybody answers, which would bring the next frame into the same buffer.
      const copy = this.#ports.size > 1 ? frame.slice(0, length) : frame;
      this.#toGateway(port, length, offload, segmentBytes);
      for (const other of this.#ports) if (other !== port) other.relay(copy, offload, segmentBytes);
    } else {
      const other = this.#neighbours.portOf(destination);
      if (other === undefined || other === port) return this.counters.add('unknown-destination');
      other.relay(frame.slice(0, length), offload, segmentBytes);
    }
    this.#scheduleFlush();
  }

  /** The frame in `#frame`. */
  #toGateway(port: NatPort, length: number, offload: number, segmentBytes: number): void {
    const isSix = EthernetHeader.etherType.get(this.#view, 0) === EtherType.Ipv6;
    const gateway = isSix ? this.#ipv6Gateway : this.#gateway;
    gateway.receive(port, this.#frame, this.#view, length, offload, segmentBytes);
  }

  /** Whoever does not flush gets its answers at the end of this turn. */
  #scheduleFlush(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushDue = false;
    this.#tcp.flush();
  }
}

const IGNORED: StreamEvents = { connected() {}, data() {}, ended() {}, drained() {}, closed() {} };
