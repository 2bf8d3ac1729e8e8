/** What TCP and UDP need to build a packet for a guest, whichever version of IP it goes by. */

import { IpProtocol } from '../../protocols/ip.ts';
import { UdpHeader } from '../../protocols/udp.ts';
import { addBytes, finish } from '../packet/checksum.ts';

/** Where a guest's address is: its MAC, and a way to it. `keep` false: refused, not queued, without room. */
export interface Station {
  readonly mac: number;
  send(frame: Uint8Array, length: number, keep: boolean): boolean;
}

export abstract class IpOutput {
  /** The frame that is being built. */
  abstract readonly bytes: Uint8Array;
  abstract readonly view: DataView;
  /** Where its payload begins. */
  abstract readonly payload: number;
  /** The payload that fits the MTU. */
  abstract readonly payloadBytes: number;
  /** The sum of what a transport puts in front of itself. */
  abstract pseudo(source: number, destination: number, protocol: number, length: number): number;
  /** Sends a payload that fits the MTU. False: there is no room, and it was not queued. */
  abstract send(
    station: Station, source: number, destination: number, protocol: number, length: number, keep: boolean,
  ): boolean;
  /** Sends a datagram that does not fit it. */
  protected abstract sendFragments(station: Station, source: number, destination: number, length: number): void;

  /** Sends a datagram whose payload lies behind the UDP header's place. */
  sendUdp(
    station: Station, source: number, sourcePort: number, destination: number, destinationPort: number, bytes: number,
  ): void {
    const { payload } = this;
    const length = UdpHeader.$size + bytes;
    UdpHeader.encode(this.view, payload, { sourcePort, destinationPort, length, checksum: 0 });
    const sum = this.pseudo(source, destination, IpProtocol.Udp, length);
    UdpHeader.checksum.set(this.view, payload, finish(addBytes(sum, this.bytes, payload, length)) || 0xffff);
    if (length <= this.payloadBytes) this.send(station, source, destination, IpProtocol.Udp, length, true);
    else this.sendFragments(station, source, destination, length);
  }
}
