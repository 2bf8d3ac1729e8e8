/**
 * Decides what becomes of a frame, from its key alone: the slow path, which the flow cache spares most frames. The
 * steps and their order are those of extension.ts. It has no effect but learning, which a caller may leave out; what it
 * read of the key is in `mask`.
 */
import { EtherType, VLAN_ID_MASK, VLAN_PRIORITY_SHIFT } from '../../protocols/ethernet.ts';
import type { Decision, Target } from './decision.ts';
import { FrameForm } from './decision.ts';
import type { FilterExtension, Flow, ForwardingExtension } from './extension.ts';
import type { Dependencies } from './flow-cache.ts';
import { KEY_WORDS, KeyWord, TAGGED } from './flow-key.ts';
import { Hazard } from './hazard.ts';
import type { MacTable } from './mac-table.ts';
import type { DropCause } from './port-counters.ts';
import type { SwitchPort } from './switch-port.ts';
import { egressForm, ownVlan, taggedVlan } from './vlan.ts';

const ALL = -1;
const HIGH_SHIFT = 0x1_0000_0000;
/** 01-80-C2-00-00-00 to -0F: protocols between neighbouring bridges [IEEE 802.1Q 8.6.3]. */
const RESERVED_HIGH = 0x0180;
const RESERVED_LOW = 0xc200_0000 | 0;

export interface PipelineOptions {
  readonly macs: MacTable;
  readonly ports: () => Iterable<SwitchPort>;
  readonly portByIndex: (index: number) => SwitchPort | undefined;
  readonly filters: () => readonly FilterExtension[];
  readonly forwarding: () => ForwardingExtension;
  /** The VLAN under which addresses of a VLAN are known: a secondary's are its primary's. */
  readonly tableVlan: (vlan: number) => number;
}

export class Pipeline implements Flow {
  readonly mask = new Int32Array(KEY_WORDS);
  readonly #options: PipelineOptions;
  #key: Int32Array = new Int32Array(KEY_WORDS);
  #source!: SwitchPort;
  #vlan = 0;
  #depends!: Dependencies;
  #note: ((step: string) => void) | undefined;

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  get source(): SwitchPort {
    this.mask[KeyWord.Port] = ALL;
    return this.#source;
  }

  get sourceMac(): number {
    this.#read(KeyWord.MacHigh, 0xffff);
    this.#read(KeyWord.SourceLow, ALL);
    return ((this.#key[KeyWord.MacHigh] as number) & 0xffff) * HIGH_SHIFT +
      ((this.#key[KeyWord.SourceLow] as number) >>> 0);
  }

  get destinationMac(): number {
    this.#read(KeyWord.MacHigh, 0xffff << 16);
    this.#read(KeyWord.DestinationLow, ALL);
    return ((this.#key[KeyWord.MacHigh] as number) >>> 16) * HIGH_SHIFT +
      ((this.#key[KeyWord.DestinationLow] as number) >>> 0);
  }

  get vlan(): number {
    return this.#vlan;
  }

  get etherType(): number {
    return this.#read(KeyWord.Type, 0xffff);
  }

  network(word: number): number {
    return this.#read(word, ALL);
  }

  /** @param learns the source's address is learned; otherwise nothing changes */
  decide(
    key: Int32Array, source: SwitchPort, configuration: number, nowSeconds: number, learns: boolean,
    note?: (step: string) => void,
  ): Decision {
    this.mask.fill(0);
    this.mask[KeyWord.Port] = ALL;
    this.#key = key;
    this.#source = source;
    this.#vlan = 0;
    this.#note = note;
    this.#depends = {
      configuration, sourceBucket: 0, sourceGeneration: this.#options.macs.generations[0] as number,
      destinationBucket: -1, destinationGeneration: 0,
    };
    const cause = this.#ingress();
    if (cause !== undefined) return this.#dropped(cause);
    return this.#forward(nowSeconds, learns);
  }

  #read(word: number, bits: number): number {
    this.mask[word] = (this.mask[word] as number) | bits;
    return (this.#key[word] as number) & bits;
  }

  /** Form of the frame and VLAN, filters, then what the port lets its NIC do. */
  #ingress(): DropCause | undefined {
    const source = this.#source;
    if (!source.isConnected) return 'notConnected';
    if ((this.#read(KeyWord.MacHigh, 0x100) & 0x100) !== 0) return 'sourceIsGroup';
    const vlan = this.#classify();
    if (typeof vlan === 'string') return vlan;
    this.#vlan = vlan;
    this.#note?.(`ingress on ${source.name}: VLAN ${vlan}`);
    for (const filter of this.#options.filters()) {
      if (filter.ingress?.(this) !== 'drop') continue;
      this.#note?.(`filter ${filter.name} drops it`);
      return 'filtered';
    }
    const { policy, mac } = source;
    if (!policy.macSpoofing && mac !== undefined && this.sourceMac !== mac) return 'macSpoofed';
    const hazard = this.#read(KeyWord.Hazard, ALL);
    if (policy.dhcpGuard && (hazard === Hazard.DhcpServer || hazard === Hazard.Unknown)) return 'dhcpGuard';
    if (policy.routerGuard && (hazard === Hazard.Router || hazard === Hazard.Unknown)) return 'routerGuard';
    const high = this.#read(KeyWord.MacHigh, 0xffff << 16) >>> 16;
    if (high === RESERVED_HIGH && (this.#read(KeyWord.DestinationLow, ALL) & ~0xf) === RESERVED_LOW) {
      return 'reservedAddress';
    }
    return undefined;
  }

  #classify(): number | DropCause {
    const mode = this.#source.vlan;
    const isTagged = (this.#read(KeyWord.Port, TAGGED) & TAGGED) !== 0;
    const type = this.etherType;
    const id = isTagged ? (this.#read(KeyWord.Type, ALL) >>> 16) & VLAN_ID_MASK : 0;
    // A tag of VLAN 0 carries a priority and no VLAN [IEEE 802.1Q 9.6].
    if (id === 0) {
      if (isTag(type)) return isTagged ? 'vlanDoubleTagged' : 'vlanTagged';
      return ownVlan(mode);
    }
    return taggedVlan(mode, id);
  }

  #forward(nowSeconds: number, learns: boolean): Decision {
    const { macs, forwarding, ports, portByIndex, tableVlan } = this.#options;
    const table = tableVlan(this.#vlan) << 16;
    const high = this.#key[KeyWord.MacHigh] as number;
    this.#read(KeyWord.MacHigh, ALL);
    const sourceHigh = table | (high & 0xffff);
    const sourceLow = this.#read(KeyWord.SourceLow, ALL);
    const slot = learns ? macs.learn(sourceHigh, sourceLow, this.#source.index, nowSeconds)
      : macs.find(sourceHigh, sourceLow);
    const depends = this.#depends;
    depends.sourceBucket = macs.bucketOf(sourceHigh, sourceLow);
    depends.sourceGeneration = macs.generations[depends.sourceBucket] as number;
    const isGroup = (high & 0x0100_0000) !== 0;
    let isKnown = false;
    const learned = (): SwitchPort | undefined => {
      if (isGroup) return undefined;
      const low = this.#read(KeyWord.DestinationLow, ALL);
      depends.destinationBucket = macs.bucketOf(table | (high >>> 16), low);
      depends.destinationGeneration = macs.generations[depends.destinationBucket] as number;
      const found = macs.find(table | (high >>> 16), low);
      if (found < 0) return undefined;
      isKnown = true;
      return portByIndex(macs.portOf(found));
    };
    const chosen = forwarding().forward(this, ports(), learned);
    const targets = this.#egress(chosen);
    if (targets.length === 0) {
      return { ...this.#dropped('noDestination'), sourceSlot: slot, learningRefused: learns && slot < 0 };
    }
    return {
      cause: undefined, vlan: this.#vlan, targets, mirrors: this.#mirrors(targets), isFlood: !isKnown,
      sourceSlot: slot, learningRefused: learns && slot < 0, depends,
    };
  }

  #egress(chosen: Iterable<SwitchPort>): Target[] {
    const targets: Target[] = [];
    const filters = this.#options.filters();
    const isTagged = (this.#read(KeyWord.Port, TAGGED) & TAGGED) !== 0;
    const control = isTagged ? this.#read(KeyWord.Type, ALL) >>> 16 : 0;
    const priority = this.#source.policy.priorityTag ? control >>> VLAN_PRIORITY_SHIFT : 0;
    for (const port of chosen) {
      if (port === this.#source || !port.isConnected) continue;
      const form = egressForm(port.vlan, this.#vlan);
      const excluding = form === undefined ? undefined
        : filters.findLast((filter) => filter.egress?.(this, port) === 'exclude');
      this.#note?.(`egress on ${port.name}: ${excluding === undefined ? form ?? 'not on this VLAN'
        : `filter ${excluding.name} excludes it`}`);
      if (form === undefined || excluding !== undefined) continue;
      // A second tag behind ours would become the frame's own.
      if (form === 'plain' && isTagged && isTag(this.etherType)) continue;
      targets.push(targetOf(port, form, isTagged, control, (priority << VLAN_PRIORITY_SHIFT) | this.#vlan));
    }
    return targets;
  }

  #mirrors(targets: readonly Target[]): SwitchPort[] {
    const source = this.#source;
    if (source.mirror !== 'source' && !targets.some(({ port }) => port.mirror === 'source')) return [];
    return [...this.#options.ports()].filter((port) => port.mirror === 'destination' && port !== source &&
      port.isConnected && !targets.some((target) => target.port === port));
  }

  #dropped(cause: DropCause): Decision {
    this.#note?.(`dropped: ${cause}`);
    return {
      cause, vlan: this.#vlan, targets: [], mirrors: [], isFlood: false, sourceSlot: -1, learningRefused: false,
      depends: this.#depends,
    };
  }
}

/** A tag that is wanted: with `wanted` as its control word; without one a priority may stay. */
function targetOf(
  port: SwitchPort, form: 'plain' | 'tagged', isTagged: boolean, control: number, wanted: number,
): Target {
  const priority = wanted & (7 << VLAN_PRIORITY_SHIFT);
  const keepsTag = form === 'tagged' || priority !== 0;
  const word = form === 'tagged' ? wanted : priority;
  if (!keepsTag) return { port, form: isTagged ? FrameForm.Plain : FrameForm.Same, control: 0 };
  return { port, form: isTagged && control === word ? FrameForm.Same : FrameForm.Tagged, control: word };
}

function isTag(type: number): boolean {
  return type === EtherType.Vlan || type === EtherType.ServiceVlan;
}
