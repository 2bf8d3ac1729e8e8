/** What TCP and UDP need to build a packet for a guest, whichever version of IP it goes by. */

/** Where a guest's address is: its MAC, and a way to it. `keep` false: refused, not queued, without room. */
export interface Station {
  readonly mac: number;
  send(frame: Uint8Array, length: number, keep: boolean): boolean;
}

export interface IpOutput {
  /** The frame that is being built. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where its payload begins. */
  readonly payload: number;
  /** The payload that fits the MTU. */
  readonly payloadBytes: number;
  /** The sum of what a transport puts in front of itself. */
  pseudo(source: number, destination: number, protocol: number, length: number): number;
  /** Sends a payload that fits the MTU. False: there is no room, and it was not queued. */
  send(station: Station, source: number, destination: number, protocol: number, length: number, keep: boolean): boolean;
  /** Sends a datagram whose payload lies behind the UDP header's place. */
  sendUdp(
    station: Station, source: number, sourcePort: number, destination: number, destinationPort: number, bytes: number,
  ): void;
}
