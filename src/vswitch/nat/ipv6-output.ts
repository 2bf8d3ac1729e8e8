/**
 * Builds IPv6 packets for guests in one buffer of its own [RFC 8200]. Addresses are numbers of `Ipv6Addresses`.
 * Datagrams larger than the MTU leave in fragments.
 */
import { ETHERNET_HEADER_BYTES, EtherType, EthernetHeader } from '../../protocols/ethernet.ts';
import { IPV6_HEADER_BYTES, IpProtocol, Ipv6Extension, Ipv6FragmentHeader, Ipv6Header } from '../../protocols/ip.ts';
import { writeMac } from '../packet/addresses.ts';
import { addBytes, finish } from '../packet/checksum.ts';
import { IpOutput, type Station } from './ip-output.ts';
import type { Ipv6Addresses } from './ipv6-addresses.ts';

export const IPV6_PAYLOAD = ETHERNET_HEADER_BYTES + IPV6_HEADER_BYTES;
const VERSION = 0x6000_0000;
/** Neighbours believe each other only at this one [RFC 4861, 7.1]. */
const HOP_LIMIT = 255;
const MAXIMUM_PAYLOAD_BYTES = 0xffff;

export class Ipv6Output extends IpOutput {
  readonly bytes = new Uint8Array(IPV6_PAYLOAD + MAXIMUM_PAYLOAD_BYTES);
  readonly view = new DataView(this.bytes.buffer);
  readonly payload = IPV6_PAYLOAD;
  readonly payloadBytes: number;
  readonly #addresses: Ipv6Addresses;
  readonly #gatewayMac: number;
  #identification = 0;

  constructor(addresses: Ipv6Addresses, gatewayMac: number, mtu: number) {
    super();
    this.#addresses = addresses;
    this.#gatewayMac = gatewayMac;
    this.payloadBytes = mtu - IPV6_HEADER_BYTES;
  }

  pseudo(source: number, destination: number, protocol: number, length: number): number {
    const sum = (this.#addresses.get(source)?.sum ?? 0) + (this.#addresses.get(destination)?.sum ?? 0);
    return sum + protocol + length;
  }

  send(
    station: Station, source: number, destination: number, protocol: number, length: number, keep: boolean,
  ): boolean {
    const [from, to] = [this.#addresses.get(source), this.#addresses.get(destination)];
    // An address that was forgotten meanwhile: lost.
    if (from === undefined || to === undefined) return true;
    writeMac(this.bytes, EthernetHeader.destination.offset, station.mac);
    writeMac(this.bytes, EthernetHeader.source.offset, this.#gatewayMac);
    EthernetHeader.etherType.set(this.view, 0, EtherType.Ipv6);
    Ipv6Header.encode(this.view, ETHERNET_HEADER_BYTES, {
      versionAndFlow: VERSION, payloadBytes: length, next: protocol, hopLimit: HOP_LIMIT,
      source: from.bytes, destination: to.bytes,
    });
    return station.send(this.bytes, IPV6_PAYLOAD + length, keep);
  }

  /** A message of ICMP at the payload's place, whose checksum field is 0. */
  sendControl(station: Station, source: number, destination: number, length: number): void {
    const sum = this.pseudo(source, destination, IpProtocol.IcmpV6, length);
    this.view.setUint16(IPV6_PAYLOAD + 2, finish(addBytes(sum, this.bytes, IPV6_PAYLOAD, length)));
    this.send(station, source, destination, IpProtocol.IcmpV6, length, true);
  }

  protected sendFragments(station: Station, source: number, destination: number, length: number): void {
    const whole = this.bytes.slice(IPV6_PAYLOAD, IPV6_PAYLOAD + length);
    const pieceBytes = (this.payloadBytes - Ipv6FragmentHeader.$size) & ~7;
    this.#identification = (this.#identification + 1) >>> 0;
    for (let at = 0; at < length; at += pieceBytes) {
      const piece = whole.subarray(at, at + pieceBytes);
      Ipv6FragmentHeader.encode(this.view, IPV6_PAYLOAD, {
        next: IpProtocol.Udp, reserved: 0, offsetAndMore: at | (at + pieceBytes < length ? 1 : 0),
        identification: this.#identification,
      });
      this.bytes.set(piece, IPV6_PAYLOAD + Ipv6FragmentHeader.$size);
      const bytes = Ipv6FragmentHeader.$size + piece.length;
      this.send(station, source, destination, Ipv6Extension.Fragment, bytes, true);
    }
  }
}
