/** All TCP connections of a NAT network: who they belong to, how many there may be, and how much they may keep. */
import type { Clock } from '../../kit/clock.ts';
import type { Timers } from '../../kit/timers.ts';
import { IpProtocol } from '../../protocols/ip.ts';
import { TCP_MINIMUM_HEADER_BYTES, TcpFlag } from '../../protocols/tcp.ts';
import type { Counters } from '../counters.ts';
import type { HostNetwork, HostStream, Route, StreamEvents } from './host-network.ts';
import type { IpOutput, Station } from './ip-output.ts';
import type { SendQueue } from './send-queue.ts';
import { TcpConnection, type TcpAddress } from './tcp-connection.ts';
import { completeSegment, writeSegment, type SegmentHeader, type TcpSegment } from './tcp-segment.ts';

export const MAXIMUM_CONNECTIONS = 4096;
/** Of one guest: it cannot take the places of the others. */
export const MAXIMUM_CONNECTIONS_PER_GUEST = 2048;
const FULL_CAPACITY_BYTES = 1 << 20;
const BUDGET_BYTES = 128 << 20;
const FIRST_EPHEMERAL_PORT = 49_152;
const EPHEMERAL_PORTS = 16_384;

export interface TcpTableOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counters: Counters;
  readonly host: HostNetwork;
  /** Builds packets to this address. */
  readonly output: (ip: number) => IpOutput;
  /** A fresh initial sequence number that an outsider cannot guess [RFC 6528]. */
  readonly sequence: () => number;
  readonly station: (ip: number) => Station | undefined;
  /** Where a connection to this address goes; undefined when it must not. */
  readonly route: (ip: number, port: number) => Route | undefined;
}

export class TcpTable {
  readonly timers: Timers;
  readonly #options: TcpTableOptions;
  readonly #connections = new Map<string, TcpConnection>();
  readonly #perGuest = new Map<number, number>();
  #touched = new Set<TcpConnection>();
  #blocked = new Set<TcpConnection>();

  constructor(options: TcpTableOptions) {
    this.#options = options;
    this.timers = options.timers;
  }

  /** The largest segment that fits a packet to this guest. */
  segmentBytes(guest: number): number {
    return this.#options.output(guest).payloadBytes - TCP_MINIMUM_HEADER_BYTES;
  }

  get nowMs(): number {
    return this.#options.clock.nowNs() / 1e6;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** What a connection may keep in each direction: less when there are many. */
  get capacity(): number {
    const share = BUDGET_BYTES / 2 / Math.max(this.#connections.size, 1);
    return Math.min(FULL_CAPACITY_BYTES, share);
  }

  count(name: string): void {
    this.#options.counters.add(name);
  }

  receive(source: number, destination: number, segment: TcpSegment): void {
    const { sourcePort, destinationPort } = segment;
    const known = this.#connections.get(keyOf(source, sourcePort, destination, destinationPort));
    const isFresh = (segment.flags & (TcpFlag.Syn | TcpFlag.Ack | TcpFlag.Rst)) === TcpFlag.Syn;
    if (known !== undefined && !(known.phase === 'time-wait' && isFresh)) {
      known.receive(segment);
      if (known.phase !== 'closed') this.#touched.add(known);
      return;
    }
    known?.remove();
    if (isFresh) return this.#connect(source, destination, segment);
    this.count('tcp-unknown');
    this.#refuse(source, destination, segment);
  }

  #connect(source: number, destination: number, segment: TcpSegment): void {
    const target = this.#options.route(destination, segment.destinationPort);
    if (target === undefined) {
      this.count('tcp-no-route');
      return this.#refuse(source, destination, segment);
    }
    const { sourcePort: guestPort, destinationPort: remotePort } = segment;
    const connection = this.#add({ guest: source, guestPort, remote: destination, remotePort }, segment);
    if (connection === undefined) return this.#refuse(source, destination, segment);
    connection.use(this.#options.host.connect(target, connection.events));
  }

  #add(address: TcpAddress, syn: TcpSegment | undefined): TcpConnection | undefined {
    const ofGuest = this.#perGuest.get(address.guest) ?? 0;
    if (this.#connections.size >= MAXIMUM_CONNECTIONS || ofGuest >= MAXIMUM_CONNECTIONS_PER_GUEST) {
      this.count('tcp-table-full');
      return undefined;
    }
    const connection = new TcpConnection(this, address, this.#options.sequence(), syn);
    this.#connections.set(keyOfAddress(address), connection);
    this.#perGuest.set(address.guest, ofGuest + 1);
    return connection;
  }

  /** A connection that the host began, as seen by the guest from `remote`. Undefined: there is no room. */
  accept(guest: number, guestPort: number, remote: number, stream: HostStream): StreamEvents | undefined {
    const start = this.#options.sequence() % EPHEMERAL_PORTS;
    for (let tries = 0; tries < 64; tries++) {
      const remotePort = FIRST_EPHEMERAL_PORT + ((start + tries) % EPHEMERAL_PORTS);
      const address = { guest, guestPort, remote, remotePort };
      if (this.#connections.has(keyOfAddress(address))) continue;
      const connection = this.#add(address, undefined);
      connection?.use(stream);
      return connection?.events;
    }
    return undefined;
  }

  /** Answers a segment that belongs to nothing [RFC 9293, 3.10.7.1]. */
  #refuse(source: number, destination: number, segment: TcpSegment): void {
    const { flags, payload } = segment;
    if ((flags & TcpFlag.Rst) !== 0) return;
    const occupied = payload.length + ((flags & TcpFlag.Syn) === 0 ? 0 : 1) + ((flags & TcpFlag.Fin) === 0 ? 0 : 1);
    const hasAck = (flags & TcpFlag.Ack) !== 0;
    const header: SegmentHeader = {
      source: destination, sourcePort: segment.destinationPort, destination: source,
      destinationPort: segment.sourcePort, sequence: hasAck ? segment.acknowledgment : 0,
      acknowledgment: hasAck ? 0 : (segment.sequence + occupied) >>> 0,
      flags: TcpFlag.Rst | (hasAck ? 0 : TcpFlag.Ack), window: 0,
    };
    this.#send(header, undefined, 0, 0, true);
  }

  /** Sends a segment of a connection. False: no room now; the connection is called again when there is. */
  emit(
    connection: TcpConnection, header: SegmentHeader, queue: SendQueue | undefined, offset: number, length: number,
  ): boolean {
    const sent = this.#send(header, queue, offset, length, (header.flags & TcpFlag.Rst) !== 0);
    if (!sent) this.#blocked.add(connection);
    return sent;
  }

  #send(header: SegmentHeader, queue: SendQueue | undefined, offset: number, length: number, keep: boolean): boolean {
    const station = this.#options.station(header.destination);
    if (station === undefined) {
      this.count('no-neighbour');
      return true;
    }
    const output = this.#options.output(header.destination);
    const at = writeSegment(output, header);
    if (length > 0) queue?.copy(offset, length, output.bytes, at);
    const bytes = completeSegment(output, header, at + length);
    return output.send(station, header.source, header.destination, IpProtocol.Tcp, bytes, keep);
  }

  /** After a run of frames: what they asked for is answered once. */
  flush(): void {
    if (this.#touched.size === 0) return;
    const touched = this.#touched;
    this.#touched = new Set();
    for (const connection of touched) connection.output();
  }

  /** There is room again toward a guest. */
  resume(): void {
    const blocked = this.#blocked;
    this.#blocked = new Set();
    for (const connection of blocked) connection.output();
  }

  forget(connection: TcpConnection): void {
    const { guest } = connection.address;
    this.#connections.delete(keyOfAddress(connection.address));
    this.#touched.delete(connection);
    this.#blocked.delete(connection);
    const left = (this.#perGuest.get(guest) ?? 1) - 1;
    if (left === 0) this.#perGuest.delete(guest);
    else this.#perGuest.set(guest, left);
  }

  /** Ends what belongs to a guest that is gone, or everything. */
  close(guest?: number): void {
    for (const connection of this.#connections.values()) {
      if (guest === undefined || connection.address.guest === guest) connection.remove();
    }
  }
}

function keyOfAddress({ guest, guestPort, remote, remotePort }: TcpAddress): string {
  return keyOf(guest, guestPort, remote, remotePort);
}

function keyOf(guest: number, guestPort: number, remote: number, remotePort: number): string {
  return `${guest * 0x1_0000 + guestPort}-${remote * 0x1_0000 + remotePort}`;
}
