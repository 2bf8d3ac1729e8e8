/** One NIC's end of a NAT network: takes the NIC's frames in, and holds a few back when the NIC has no room. */
import { FrameOffload, type FrameSink, type NetworkEndpoint } from '../../kit/network-endpoint.ts';
import type { Counters } from '../counters.ts';

const MAXIMUM_QUEUED_FRAMES = 256;
const CHECKSUMS_GOOD = FrameOffload.Ipv4ChecksumGood | FrameOffload.TransportChecksumGood;

export interface NatPortOwner {
  readonly counters: Counters;
  receive(port: NatPort, buffer: Uint8Array, offset: number, length: number, offload: number, segment: number): void;
  flush(): void;
  resume(): void;
  detach(port: NatPort): void;
}

export class NatPort implements NetworkEndpoint {
  readonly name: string;
  onConnectionChange: (() => void) | undefined;
  readonly #owner: NatPortOwner;
  #receiver: FrameSink | undefined;
  #queue: Uint8Array[] = [];
  #isOpen = true;

  constructor(name: string, owner: NatPortOwner) {
    this.name = name;
    this.#owner = owner;
  }

  get isConnected(): boolean {
    return this.#isOpen;
  }

  setReceiver(receiver: FrameSink, _onWritable: () => void): void {
    // What this end takes in it always has room for, so nobody waits to be told.
    this.#receiver = receiver;
  }

  deliver(buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    if (this.#isOpen) this.#owner.receive(this, buffer, offset, length, offload, segmentBytes);
    return true;
  }

  flush(): void {
    // It may as well mean that the NIC has room again.
    this.#resume();
    this.#owner.flush();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#queue = [];
    this.#receiver = undefined;
    this.#owner.detach(this);
    this.onConnectionChange?.();
  }

  #resume(): void {
    while (this.#queue.length > 0) {
      const frame = this.#queue[0]!;
      if (this.#receiver?.deliver(frame, 0, frame.length, CHECKSUMS_GOOD, 0) === false) return;
      this.#queue.shift();
    }
    this.#owner.resume();
  }

  /** Sends a frame to the NIC. Without room it is kept if `keep` says so; false: it was not taken. */
  send(frame: Uint8Array, length: number, keep: boolean): boolean {
    const receiver = this.#receiver;
    if (receiver === undefined) {
      this.#owner.counters.add('nic-absent');
      return true;
    }
    if (this.#queue.length === 0 && receiver.deliver(frame, 0, length, CHECKSUMS_GOOD, 0)) return true;
    if (!keep) return false;
    if (this.#queue.length >= MAXIMUM_QUEUED_FRAMES) this.#owner.counters.add('nic-queue-full');
    else this.#queue.push(frame.slice(0, length));
    return true;
  }

  /** Passes on another guest's frame as it came; without room it is lost, as on any switch. */
  relay(frame: Uint8Array, offload: number, segmentBytes: number): void {
    if (this.#receiver === undefined) return this.#owner.counters.add('nic-absent');
    const taken = this.#queue.length === 0
      && this.#receiver.deliver(frame, 0, frame.length, offload, segmentBytes);
    if (!taken) this.#owner.counters.add('nic-queue-full');
  }
}
