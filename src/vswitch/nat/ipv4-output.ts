/**
 * Builds frames for guests in one buffer of its own: the caller writes the payload at PAYLOAD, this adds the headers in
 * front of it and hands the frame to where the destination is. Datagrams larger than the MTU leave in fragments.
 */
import { ETHERNET_HEADER_BYTES, EtherType, EthernetHeader } from '../../protocols/ethernet.ts';
import {
  IPV4_MAXIMUM_BYTES, IPV4_MINIMUM_HEADER_BYTES, IPV4_MORE_FRAGMENTS, IpProtocol, Ipv4Header,
} from '../../protocols/ip.ts';
import { writeMac } from '../packet/addresses.ts';
import { addBytes, finish, pseudoHeader } from '../packet/checksum.ts';
import { IpOutput, type Station } from './ip-output.ts';

export const PAYLOAD = ETHERNET_HEADER_BYTES + IPV4_MINIMUM_HEADER_BYTES;
const TIME_TO_LIVE = 64;

export class Ipv4Output extends IpOutput {
  readonly bytes = new Uint8Array(ETHERNET_HEADER_BYTES + IPV4_MAXIMUM_BYTES);
  readonly view = new DataView(this.bytes.buffer);
  readonly payload = PAYLOAD;
  readonly payloadBytes: number;
  readonly #gatewayMac: number;
  #identification = 0;

  constructor(gatewayMac: number, mtu: number) {
    super();
    this.#gatewayMac = gatewayMac;
    this.payloadBytes = mtu - IPV4_MINIMUM_HEADER_BYTES;
  }

  pseudo(source: number, destination: number, protocol: number, length: number): number {
    return pseudoHeader(source, destination, protocol, length);
  }

  ethernet(mac: number, etherType: number): void {
    writeMac(this.bytes, EthernetHeader.destination.offset, mac);
    writeMac(this.bytes, EthernetHeader.source.offset, this.#gatewayMac);
    EthernetHeader.etherType.set(this.view, 0, etherType);
  }

  send(
    station: Station, source: number, destination: number, protocol: number, length: number, keep: boolean,
  ): boolean {
    this.#header(station.mac, source, destination, protocol, length, 0);
    return station.send(this.bytes, PAYLOAD + length, keep);
  }

  protected sendFragments(station: Station, source: number, destination: number, length: number): void {
    const whole = this.bytes.slice(PAYLOAD, PAYLOAD + length);
    const pieceBytes = this.payloadBytes & ~7;
    this.#identification = (this.#identification + 1) & 0xffff;
    for (let at = 0; at < length; at += pieceBytes) {
      const piece = whole.subarray(at, at + pieceBytes);
      this.bytes.set(piece, PAYLOAD);
      const more = at + pieceBytes < length ? IPV4_MORE_FRAGMENTS : 0;
      this.#header(station.mac, source, destination, IpProtocol.Udp, piece.length, more | (at / 8));
      station.send(this.bytes, PAYLOAD + piece.length, true);
    }
  }

  #header(
    mac: number, source: number, destination: number, protocol: number, length: number, fragment: number,
  ): void {
    this.ethernet(mac, EtherType.Ipv4);
    Ipv4Header.encode(this.view, ETHERNET_HEADER_BYTES, {
      versionAndLength: 0x45, service: 0, totalLength: IPV4_MINIMUM_HEADER_BYTES + length,
      identification: fragment === 0 ? 0 : this.#identification, fragment, timeToLive: TIME_TO_LIVE, protocol,
      checksum: 0, source, destination,
    });
    const sum = addBytes(0, this.bytes, ETHERNET_HEADER_BYTES, IPV4_MINIMUM_HEADER_BYTES);
    Ipv4Header.checksum.set(this.view, ETHERNET_HEADER_BYTES, finish(sum));
  }
}
