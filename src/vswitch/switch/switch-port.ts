/** A port of the switch, which is at the same time the end of the link that a NIC holds. */
import type { FrameSink, NetworkEndpoint } from '../../kit/network-endpoint.ts';
import { Counters } from '../counters.ts';
import type { VlanMode } from './vlan.ts';

export interface SwitchPortOptions {
  readonly name: string;
  readonly vlan?: VlanMode;
  /** Source: what it sends and receives is copied to every destination of the switch. */
  readonly mirror?: 'source' | 'destination';
}

interface PortOwner {
  receive(port: SwitchPort, buffer: Uint8Array, offset: number, length: number, offload: number, segment: number): void;
  remove(port: SwitchPort): void;
}

export class SwitchPort implements NetworkEndpoint {
  readonly name: string;
  readonly counters = new Counters();
  vlan: VlanMode;
  mirror: 'source' | 'destination' | undefined;
  onConnectionChange: (() => void) | undefined;
  readonly #owner: PortOwner;
  #receiver: FrameSink | undefined;
  #isOpen = true;

  constructor({ name, vlan = { kind: 'untagged' }, mirror }: SwitchPortOptions, owner: PortOwner) {
    this.name = name;
    this.vlan = vlan;
    this.mirror = mirror;
    this.#owner = owner;
  }

  get isConnected(): boolean {
    return this.#isOpen;
  }

  setReceiver(receiver: FrameSink, _onWritable: () => void): void {
    // A switch takes or drops each frame at once, so nobody waits for room.
    this.#receiver = receiver;
  }

  deliver(buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    if (this.#isOpen) this.#owner.receive(this, buffer, offset, length, offload, segmentBytes);
    return true;
  }

  flush(): void {
    // Each frame has been forwarded when `deliver` returns.
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#receiver = undefined;
    this.#owner.remove(this);
    this.onConnectionChange?.();
  }

  /** Hands a frame to the NIC. */
  send(frame: Uint8Array, offload: number, segmentBytes: number): void {
    const taken = this.#receiver?.deliver(frame, 0, frame.length, offload, segmentBytes);
    this.counters.add(taken === undefined ? 'drop-nic-absent' : taken ? 'frames-out' : 'drop-nic-full');
  }
}
