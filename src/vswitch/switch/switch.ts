/**
 * A layer-2 switch: ingress (form, VLAN) → learning → forwarding → egress (VLAN) → delivery, and mirrors after it. The
 * decision is one function without effects, which `trace` shows and forwarding acts on. Every drop has a name.
 */
import type { Clock } from '../../kit/clock.ts';
import { ETHERNET_HEADER_BYTES, EthernetHeader } from '../../protocols/ethernet.ts';
import { isGroupMac, readMac } from '../packet/addresses.ts';
import { MacTable } from './mac-table.ts';
import { SwitchPort, type SwitchPortOptions } from './switch-port.ts';
import { classify, egressForm, withoutTag, withTag, type Classified } from './vlan.ts';

const MAXIMUM_FRAME_BYTES = 65_600;

/** Chooses destinations on ingress; the switch itself leaves out the source and whoever is not on the VLAN. */
export interface ForwardingExtension {
  readonly name: string;
  forward(frame: ForwardingRequest): Iterable<SwitchPort>;
}

export interface ForwardingRequest {
  readonly source: SwitchPort;
  readonly sourceMac: number;
  readonly destinationMac: number;
  readonly vlan: number;
  readonly ports: ReadonlySet<SwitchPort>;
  /** The port on which the destination was heard. */
  readonly learned: SwitchPort | undefined;
}

interface Decision extends Classified {
  readonly sourceMac: number;
  readonly destinations: readonly SwitchPort[];
}

/** Known unicast to its port, everything else to all. */
export const LEARNING_FORWARDING: ForwardingExtension = {
  name: 'learning',
  forward: ({ ports, learned }) => (learned === undefined ? ports : [learned]),
};

export class Switch {
  readonly #clock: Clock;
  readonly #forwarding: ForwardingExtension;
  readonly #ports = new Set<SwitchPort>();
  readonly #macs = new MacTable<SwitchPort>();

  constructor(options: { readonly clock: Clock; readonly forwarding?: ForwardingExtension }) {
    this.#clock = options.clock;
    this.#forwarding = options.forwarding ?? LEARNING_FORWARDING;
  }

  get ports(): ReadonlySet<SwitchPort> {
    return this.#ports;
  }

  attach(options: SwitchPortOptions): SwitchPort {
    const port = new SwitchPort(options, {
      receive: (...frame) => this.#receive(...frame),
      remove: (gone) => {
        this.#ports.delete(gone);
        this.#macs.forget(gone);
      },
    });
    this.#ports.add(port);
    return port;
  }

  /** What would become of a frame from a port, step by step; nothing is sent or learned. */
  trace(port: SwitchPort, frame: Uint8Array): string[] {
    const steps: string[] = [];
    const decision = this.#decide(port, frame, (step) => void steps.push(step));
    steps.push(typeof decision === 'string' ? `dropped: ${decision}`
      : `delivered to ${decision.destinations.map(({ name }) => name).join(', ')}`);
    return steps;
  }

  #decide(source: SwitchPort, frame: Uint8Array, note: (step: string) => void): Decision | string {
    if (frame.length < ETHERNET_HEADER_BYTES) return 'runt';
    if (frame.length > MAXIMUM_FRAME_BYTES) return 'oversized';
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const sourceMac = readMac(frame, EthernetHeader.source.offset);
    const destinationMac = readMac(frame, EthernetHeader.destination.offset);
    if (isGroupMac(sourceMac)) return 'source-is-group';
    const classified = classify(source.vlan, view, 0, frame.length);
    if (typeof classified === 'string') return classified;
    const { vlan } = classified;
    note(`ingress on ${source.name}: VLAN ${vlan}`);
    const learned = isGroupMac(destinationMac) ? undefined
      : this.#macs.lookup(vlan, destinationMac, this.#clock.nowNs() / 1e6);
    const request = { source, sourceMac, destinationMac, vlan, ports: this.#ports, learned };
    const destinations: SwitchPort[] = [];
    for (const port of this.#forwarding.forward(request)) {
      if (port === source) continue;
      const form = egressForm(port.vlan, vlan);
      note(`egress on ${port.name}: ${form ?? 'not on this VLAN'}`);
      if (form !== undefined) destinations.push(port);
    }
    return destinations.length === 0 ? 'no-destination' : { ...classified, sourceMac, destinations };
  }

  #receive(
    port: SwitchPort, buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number,
  ): void {
    if (length > MAXIMUM_FRAME_BYTES) return port.counters.add('drop-oversized');
    // A copy: decisions are made on, and receivers get, bytes that nobody changes any more.
    const frame = buffer.slice(offset, offset + length);
    port.counters.add('frames-in');
    const decision = this.#decide(port, frame, () => {});
    if (typeof decision === 'string') {
      port.counters.add(`drop-${decision}`);
      if (decision === 'no-destination') this.#learn(port, frame);
      return;
    }
    const { vlan, sourceMac, destinations, isTagged, priority } = decision;
    if (!this.#macs.learn(vlan, sourceMac, port, this.#clock.nowNs() / 1e6)) port.counters.add('learning-full');
    const plain = isTagged ? withoutTag(frame) : frame;
    for (const each of destinations) {
      const form = egressForm(each.vlan, vlan);
      each.send(form === 'tagged' ? withTag(plain, vlan, priority) : plain, offload, segmentBytes);
    }
    this.#mirror(port, destinations, frame, offload, segmentBytes);
  }

  #learn(port: SwitchPort, frame: Uint8Array): void {
    const classified = classify(port.vlan, new DataView(frame.buffer), 0, frame.length);
    if (typeof classified === 'string') return;
    const mac = readMac(frame, EthernetHeader.source.offset);
    this.#macs.learn(classified.vlan, mac, port, this.#clock.nowNs() / 1e6);
  }

  #mirror(
    source: SwitchPort, destinations: readonly SwitchPort[], frame: Uint8Array, offload: number, segmentBytes: number,
  ): void {
    if (source.mirror !== 'source' && !destinations.some(({ mirror }) => mirror === 'source')) return;
    for (const port of this.#ports) {
      if (port.mirror === 'destination' && port !== source && !destinations.includes(port)) {
        port.send(frame, offload, segmentBytes);
      }
    }
  }
}
