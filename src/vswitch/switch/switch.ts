/**
 * A layer-2 switch. A frame's headers become a key, the key finds or makes a decision (pipeline.ts), and the decision
 * is carried out: counted, limited, put into each destination's form and delivered. Frames are the caller's own copy,
 * which no guest can reach; nothing is kept of them when `deliver` returns.
 */
import { assert } from '../../kit/assert.ts';
import type { Clock } from '../../kit/clock.ts';
import { OperatingError } from '../../kit/errors.ts';
import { type Decision, FrameForm, sameDecision } from './decision.ts';
import {
  type CaptureExtension, type CapturePoint, type Extension, type FilterExtension, type ForwardingExtension,
  LEARNING_FORWARDING,
} from './extension.ts';
import { FlowCache } from './flow-cache.ts';
import { KEY_WORDS, KeyReader, LINK_WORDS } from './flow-key.ts';
import { FrameShaper } from './frame-form.ts';
import { type MacEntry, MacTable } from './mac-table.ts';
import { Pipeline } from './pipeline.ts';
import { BYTES_IN, type DropCause, FRAMES_IN } from './port-counters.ts';
import { SwitchPort, type SwitchPortOptions } from './switch-port.ts';
import { NO_VLAN, secondariesOf } from './vlan.ts';

const MAXIMUM_FRAME_BYTES = 65_600;
export const MAXIMUM_PORTS = 4096;
/** On a trunk with more, a NIC's own address is learned as any other. */
const MAXIMUM_GIVEN_VLANS = 64;
/** Frames of one run between two looks at the clock. */
const CLOCK_FRAMES = 256;
/** Between two searches for addresses that were not heard of for too long. */
const SWEEP_SECONDS = 10;

export interface SwitchOptions {
  readonly clock: Clock;
  /** Classes in their order: of a class, the first is nearest to the ports. */
  readonly extensions?: readonly Extension[];
  /** One in so many frames whose decision was remembered is decided anew, and must come to the same. 0: none. */
  readonly shadowEvery?: number;
}

export class Switch {
  readonly #clock: Clock;
  readonly #shadowEvery: number;
  readonly #slots: (SwitchPort | undefined)[] = [];
  readonly #ports = new Set<SwitchPort>();
  readonly #macs = new MacTable();
  readonly #cache = new FlowCache<Decision>();
  readonly #reader = new KeyReader();
  readonly #shaper = new FrameShaper(MAXIMUM_FRAME_BYTES);
  readonly #pipeline: Pipeline;
  #captures: readonly CaptureExtension[] = [];
  #filters: readonly FilterExtension[] = [];
  #forwarding: ForwardingExtension = LEARNING_FORWARDING;
  #wishes = { hazard: false, network: false };
  #words: number = LINK_WORDS;
  #primaries = new Map<number, number>();
  #configuration = 0;
  #nowSeconds = 0;
  #sweptSeconds = 0;
  #untilClock = 0;
  #untilShadow = 0;

  constructor(options: SwitchOptions) {
    this.#clock = options.clock;
    this.#shadowEvery = options.shadowEvery ?? 0;
    this.#untilShadow = this.#shadowEvery;
    this.#pipeline = new Pipeline({
      macs: this.#macs, ports: () => this.#ports, portByIndex: (index) => this.#slots[index],
      filters: () => this.#filters, forwarding: () => this.#forwarding,
      tableVlan: (vlan) => this.#primaries.get(vlan) ?? vlan,
    });
    this.setExtensions(options.extensions ?? []);
  }

  get ports(): ReadonlySet<SwitchPort> {
    return this.#ports;
  }

  get cacheFigures(): { microHits: number; megaHits: number; misses: number; masks: number } {
    const { microHits, megaHits, misses, maskCount } = this.#cache;
    return { microHits, megaHits, misses, masks: maskCount };
  }

  /** In place of those that there were; holds for the next frame. */
  setExtensions(extensions: readonly Extension[]): void {
    const forwarding = extensions.filter((each) => each.kind === 'forwarding');
    assert(forwarding.length <= 1, 'a switch has one forwarding extension');
    this.#captures = extensions.filter((each) => each.kind === 'capture');
    this.#filters = extensions.filter((each) => each.kind === 'filter');
    this.#forwarding = forwarding[0] ?? LEARNING_FORWARDING;
    this.#cache.clear();
    this.#reconfigured();
  }

  /**
   * A port with a connected NIC on it.
   * @throws OperatingError when the switch is full, or the forwarding extension refuses it.
   */
  attach(options: SwitchPortOptions): SwitchPort {
    const free = this.#slots.findIndex((each) => each === undefined);
    const index = free < 0 ? this.#slots.length : free;
    if (index >= MAXIMUM_PORTS) throw new OperatingError('host', `a switch has at most ${MAXIMUM_PORTS} ports`);
    if (this.#forwarding.mayCreatePort?.(options.name) === false) {
      throw new OperatingError('host', `the extension ${this.#forwarding.name} refuses the port ${options.name}`);
    }
    const port = new SwitchPort(options, index, {
      receive: (...frame) => this.#receive(...frame),
      flush: () => { this.#untilClock = 0; },
      changed: (changed) => this.#changed(changed),
    });
    this.#slots[index] = port;
    this.#ports.add(port);
    port.enter('nic-created');
    port.enter('connected');
    return port;
  }

  /** What would become of a frame from a port, step by step; nothing is sent or learned. */
  trace(port: SwitchPort, frame: Uint8Array): string[] {
    const steps: string[] = [];
    this.#lookAtClock();
    if (!this.#reader.read(port.index, this.#wishes, frame, 0, frame.length)) return ['dropped: runt'];
    const decision = this.#pipeline.decide(
      this.#reader.key, port, this.#configuration, this.#nowSeconds, false, (step) => void steps.push(step));
    if (decision.cause === undefined) {
      steps.push(`delivered to ${decision.targets.map((target) => target.port.name).join(', ')}`);
    }
    if (decision.mirrors.length > 0) steps.push(`mirrored to ${decision.mirrors.map(({ name }) => name).join(', ')}`);
    return steps;
  }

  /** What is known of addresses; those that were heard can be given to the switch that comes after this one. */
  addresses(): readonly MacEntry[] {
    return this.#macs.entries();
  }

  /** An address that a port was heard from, seconds ago. */
  restoreAddress(vlan: number, mac: number, port: SwitchPort, agoSeconds: number): void {
    this.#lookAtClock();
    this.#macs.learn(tableKey(vlan, mac), mac | 0, port.index, this.#nowSeconds - agoSeconds);
  }

  get nowSeconds(): number {
    this.#lookAtClock();
    return this.#nowSeconds;
  }

  #changed(port: SwitchPort): void {
    if (port.state === 'deleted') {
      this.#ports.delete(port);
      this.#slots[port.index] = undefined;
    }
    this.#macs.forget(port.index);
    this.#reconfigured();
    if (port.state === 'connected' && port.mac !== undefined) {
      const { mac, vlan } = port;
      // A NIC's own address is known on every VLAN that it is on.
      const vlans = vlan.kind === 'trunk' ? [vlan.native, ...vlan.allowed] : [this.#tableVlanOf(port)];
      if (vlans.length > MAXIMUM_GIVEN_VLANS) return;
      for (const each of vlans) {
        this.#macs.give(tableKey(this.#primaries.get(each) ?? each, mac), mac | 0, port.index);
      }
    }
  }

  #tableVlanOf({ vlan }: SwitchPort): number {
    if (vlan.kind === 'access') return vlan.id;
    return vlan.kind === 'untagged' || vlan.kind === 'trunk' ? NO_VLAN : vlan.primary;
  }

  /** Every decision of before is void, and what has to be read of a frame is found anew. */
  #reconfigured(): void {
    this.#configuration = (this.#configuration + 1) | 0;
    this.#primaries = new Map();
    for (const { vlan } of this.#ports) {
      const { primary, secondaries } = secondariesOf(vlan);
      for (const each of secondaries) this.#primaries.set(each, primary);
    }
    const looksAt = [...this.#filters, this.#forwarding].map((each) => each.looksAt);
    this.#wishes = {
      hazard: [...this.#ports].some(({ policy }) => policy.dhcpGuard || policy.routerGuard),
      network: looksAt.includes('network'),
    };
    this.#words = this.#wishes.network ? KEY_WORDS : LINK_WORDS;
  }

  // Hot path: one a frame. Budget: 200 ns with learning, VLAN and counters (bench/switch.ts); nothing is allocated.
  #receive(
    port: SwitchPort, bytes: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number,
  ): void {
    const { values } = port.counters;
    values[FRAMES_IN] = (values[FRAMES_IN] as number) + 1;
    values[BYTES_IN] = (values[BYTES_IN] as number) + length;
    if (this.#untilClock-- <= 0) this.#lookAtClock();
    if (this.#captures.length > 0) this.#capture('ingress', port, bytes, offset, length);
    if (length > MAXIMUM_FRAME_BYTES) return this.#drop(port, 'oversized', bytes, offset, length);
    if (!this.#reader.read(port.index, this.#wishes, bytes, offset, length)) {
      return this.#drop(port, 'runt', bytes, offset, length);
    }
    const decision = this.#decide(port);
    if (decision.sourceSlot >= 0) this.#heard(decision.sourceSlot);
    if (decision.learningRefused) port.counters.add('learningRefused');
    if (decision.cause !== undefined) return this.#drop(port, decision.cause, bytes, offset, length);
    if (port.limit.isLimited) {
      const cause = this.#exceeded(port, decision, length);
      if (cause !== undefined) return this.#drop(port, cause, bytes, offset, length);
    }
    const { targets, mirrors } = decision;
    for (let i = 0; i < targets.length; i++) {
      const target = targets[i]!;
      if (target.form === FrameForm.Same) {
        this.#send(target.port, bytes, offset, length, offload, segmentBytes);
      } else {
        const shaper = this.#shaper;
        shaper.shape(target.form, target.control, bytes, offset, length);
        this.#send(target.port, shaper.buffer, shaper.offset, shaper.length, offload, segmentBytes);
      }
    }
    for (let i = 0; i < mirrors.length; i++) {
      mirrors[i]!.counters.add('framesMirrored');
      this.#send(mirrors[i]!, bytes, offset, length, offload, segmentBytes);
    }
  }

  #decide(port: SwitchPort): Decision {
    const { key } = this.#reader;
    const words = this.#words;
    const { generations } = this.#macs;
    const found = this.#cache.find(key, words, this.#configuration, generations) ??
      this.#cache.findWide(key, words, this.#configuration, generations, DEPENDENCIES);
    if (found === undefined) {
      const made = this.#pipeline.decide(key, port, this.#configuration, this.#nowSeconds, true);
      this.#cache.insert(key, this.#pipeline.mask, words, made.depends, made);
      return made;
    }
    if (this.#shadowEvery > 0 && --this.#untilShadow <= 0) {
      this.#untilShadow = this.#shadowEvery;
      const again = this.#pipeline.decide(key, port, this.#configuration, this.#nowSeconds, false);
      assert(sameDecision(found, again), `a remembered decision differs from a new one for a frame of ${port.name}`);
    }
    return found;
  }

  #heard(slot: number): void {
    const { heard } = this.#macs;
    if ((heard[slot] as number) >= 0) heard[slot] = this.#nowSeconds;
  }

  #exceeded(port: SwitchPort, decision: Decision, length: number): DropCause | undefined {
    if (decision.isFlood && !port.limit.takesFlood(this.#nowSeconds)) return 'stormLimit';
    return port.limit.takesBytes(length, this.#nowSeconds) ? undefined : 'bandwidthMaximum';
  }

  #send(
    port: SwitchPort, bytes: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number,
  ): void {
    // Whoever receives may send at once, and so change what the reader holds: nothing of it is used after this.
    const isSent = port.send(bytes, offset, length, offload, segmentBytes);
    if (this.#captures.length > 0) {
      const reason = isSent ? undefined : 'not taken by the NIC';
      this.#capture(isSent ? 'egress' : 'drop', port, bytes, offset, length, reason);
    }
  }

  #drop(port: SwitchPort, cause: DropCause, bytes: Uint8Array, offset: number, length: number): void {
    port.counters.drop(cause);
    if (this.#captures.length > 0) this.#capture('drop', port, bytes, offset, length, cause);
  }

  #capture(
    point: CapturePoint, port: SwitchPort, bytes: Uint8Array, offset: number, length: number, reason?: string,
  ): void {
    for (const each of this.#captures) each.capture(point, port, bytes, offset, length, reason);
  }

  #lookAtClock(): void {
    this.#untilClock = CLOCK_FRAMES;
    this.#nowSeconds = this.#clock.nowNs() / 1e9;
    if (this.#nowSeconds - this.#sweptSeconds < SWEEP_SECONDS) return;
    this.#sweptSeconds = this.#nowSeconds;
    this.#macs.expire(this.#nowSeconds);
  }
}

const DEPENDENCIES = (decision: Decision): Decision['depends'] => decision.depends;

function tableKey(vlan: number, mac: number): number {
  return (vlan << 16) | Math.floor(mac / 0x1_0000_0000);
}
