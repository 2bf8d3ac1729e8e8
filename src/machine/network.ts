/**
 * The machine's network adapters, one for each NIC of the description, all served by one thread, and behind each the
 * network that the description names. A network thread that dies is replaced: the guests' frames of that moment are
 * lost, and nothing else. A network of this process (NAT, or one of whoever runs the machine) stays on the main thread,
 * so that its connections live on.
 */
import { randomInt } from 'node:crypto';
import type { EngineMemoryHandle } from '../engine/memory-handle.ts';
import type { Connections } from '../hypervisor/connections.ts';
import { macAddressText, parseMacAddress, poolMacAddress } from '../kit/mac-address.ts';
import { OperatingError } from '../kit/errors.ts';
import type { NetworkEndpoint } from '../kit/network-endpoint.ts';
import type { VmBus } from '../vmbus/bus.ts';
import type { Offer } from '../vmbus/offer.ts';
import type { NetworkState } from '../vsp/network/state.ts';
import { readMac } from '../vswitch/packet/addresses.ts';
import { startSwitches } from '../vswitch/service/start.ts';
import { SwitchDirectory } from '../vswitch/service/switch-directory.ts';
import { CrossedNetwork } from './crossed-network.ts';
import { type MachinePorts, MAXIMUM_NICS, type NicDescription } from './description.ts';
import { MachineAdapter } from './machine-adapter.ts';
import { MachineNat } from './network-nat.ts';
import {
  NETWORK_DOORBELL, type NetworkCommand, type NetworkReport, type NicNetwork, type SavedNic,
} from './network-protocol.ts';
import type { SavedMemory } from './saved-state/memory-source.ts';
import type { ServiceMachineData } from './service-protocol.ts';
import { ServiceThread } from './service-thread.ts';

/**
 * The pool's addresses for NICs that were given none. Behind NAT, where a machine is alone, they count from here; on a
 * switch they are drawn from those below, so that two machines do not have the same.
 */
const FIRST_ADDRESS = 0x80_0000;

const NAT = 'nat';
const MAXIMUM_CHANNELS = 8;
/** A guest that still sends by then, or has not given back its frames, does not want to stop. */
const DRAIN_MS = 5000;
/** Its garbage is frames, which die at once. */
const YOUNG_HEAP_MIB = 6;

/** The instance of the NIC with that index: the same in every run, as interface names may hang on it. */
export function nicInstance(index: number): string {
  return `7f0cd1a4-2d4e-4b5a-9c3b-00155d0000${index.toString(16).padStart(2, '0')}`;
}

/** A NIC that is there, and what holds it. */
interface Slot {
  readonly number: number;
  /** As it was described, with the address and name that it got: whoever restores it needs the same. */
  readonly nic: NicDescription;
  readonly adapter: MachineAdapter;
  readonly offer: Offer;
  /** Of a network on this thread. */
  readonly crossed: CrossedNetwork | undefined;
}

export interface MachineNetworkOptions {
  readonly engine: EngineMemoryHandle;
  /** Of a guest that is being restored. */
  readonly memory: SavedMemory | undefined;
  readonly control: SharedArrayBuffer;
  readonly bus: VmBus;
  readonly connections: Connections;
  /** The connection by which the guest rings a channel. */
  readonly connectionId: (relid: number) => number;
  readonly nics: readonly NicDescription[];
  readonly ports: Pick<MachinePorts, 'connectNetwork' | 'startSwitches'>;
  /** Of the guest: a NIC has a channel for each, up to `MAXIMUM_CHANNELS`. */
  readonly processors: number;
  /** Of the NAT network, when guests know it already. */
  readonly natSubnet: string | undefined;
  readonly onFailure: (error: unknown) => void;
}

export class MachineNetwork {
  /** Where NICs of the NAT network get their addresses. */
  readonly nat: MachineNat;
  readonly #options: MachineNetworkOptions;
  readonly #thread: ServiceThread<NetworkCommand, NetworkReport>;
  #slots: readonly Slot[] = [];
  /** By slot, those that the guest has not let go of included. */
  readonly #adapters = new Map<number, MachineAdapter>();
  #isStarted = false;

  constructor(options: MachineNetworkOptions) {
    this.#options = options;
    this.nat = new MachineNat(options.natSubnet);
    const { engine, memory, control, bus, connections } = options;
    const data: ServiceMachineData = { engine, memory, control, ledger: bus.channels.ledger };
    this.#thread = new ServiceThread({
      name: 'network', program: 'network-worker.js', dataOf: () => data, youngHeapMib: YOUNG_HEAP_MIB,
      bell: connections.doorbell(NETWORK_DOORBELL), onFailure: options.onFailure,
      onReport: (report) => this.#onReport(report),
      onStarted: () => {
        for (const adapter of this.#adapters.values()) adapter.handToThread(true);
      },
    });
    for (const nic of options.nics) this.add(nic);
  }

  get adapters(): readonly MachineAdapter[] {
    return this.#slots.map(({ adapter }) => adapter);
  }

  get nics(): readonly NicDescription[] {
    return this.#slots.map(({ nic }) => nic);
  }

  /** How often the thread was replaced. */
  get restarts(): number {
    return this.#thread.restarts;
  }

  /** Ends the network thread at once, as a crash would; a new one goes on in its place. */
  async killThread(): Promise<void> {
    await this.#thread.kill();
  }

  /**
   * Gives the guest a NIC, at once if it runs.
   * @throws OperatingError when it has as many as a guest can have.
   */
  add(description: NicDescription): MachineAdapter {
    const wanted = description.slot === undefined ? Array.from({ length: MAXIMUM_NICS }, (_, i) => i)
      : [description.slot];
    for (const number of wanted) {
      if (this.#slots.some((slot) => slot.number === number)) continue;
      const slot = this.#open(description, number);
      if (slot === undefined) continue;
      this.#slots = [...this.#slots, slot];
      return slot.adapter;
    }
    throw new OperatingError('unsupported', `a guest has at most ${MAXIMUM_NICS} NICs: remove one first`);
  }

  /**
   * Opens the ports of the host that reach the guest.
   * @throws OperatingError when one of them is in use.
   */
  async listen(): Promise<void> {
    for (const { nic: { network, forwards = [] }, number } of this.#slots) {
      if (network !== NAT) continue;
      for (const each of forwards) await this.nat.network?.forward({ ...each, guest: nicName(number) });
    }
  }

  /** Takes a NIC away from the guest. */
  remove(adapter: MachineAdapter): void {
    const slot = this.#slots.find((each) => each.adapter === adapter);
    if (slot === undefined) return;
    this.#slots = this.#slots.filter((each) => each !== slot);
    slot.crossed?.close();
    let timer: NodeJS.Timeout | undefined = setTimeout(() => rescind(), DRAIN_MS);
    const rescind = (): void => {
      if (timer === undefined) return;
      clearTimeout(timer);
      timer = undefined;
      this.#options.bus.rescind(slot.offer);
    };
    slot.adapter.leave(rescind);
  }

  /** @throws OperatingError when a NIC is to be on a switch that there is not. */
  static check(nics: readonly NicDescription[]): void {
    for (const { network } of nics) if (network !== NAT) SwitchDirectory.open().read(network);
  }

  /** Only while the guest is paused. The thread is on hold then. @throws OperatingError when there is none just now. */
  saveState(): NetworkState[] {
    if (!this.#isStarted) return [];
    if (!this.#thread.call({ kind: 'hold' })) {
      throw new OperatingError('host', 'the network service is being started again: try once more');
    }
    const states = new Map((this.#thread.takeAnswer() as readonly SavedNic[]).map(({ nic, state }) => [nic, state]));
    return this.#slots.flatMap(({ number }) => states.get(number) ?? []);
  }

  /** After a state was saved, when the guest goes on nonetheless. */
  goOn(): void {
    if (this.#isStarted) this.#thread.send({ kind: 'go-on' });
  }

  /** Before the bus is restored, which opens the channels again. The NICs are those of the saved machine. */
  restoreState(states: readonly NetworkState[]): void {
    this.#slots.forEach(({ adapter }, index) => {
      const state = states[index];
      if (state !== undefined) adapter.restoreState(state);
    });
  }

  /** The channels are closed. */
  async close(): Promise<void> {
    for (const { crossed } of this.#slots) crossed?.close();
    this.nat.close();
    await this.#thread.stop({ kind: 'stop' });
  }

  inspect(): object {
    const { restarts } = this;
    return { adapters: this.adapters.map((adapter) => adapter.inspect()), restarts, nat: this.nat.inspect() };
  }

  /** Undefined: the guest has not let go of the NIC that was there before. */
  #open(description: NicDescription, number: number): Slot | undefined {
    const { bus, connections, connectionId, processors } = this.#options;
    const address = addressOf(description, number);
    const nic: NicDescription = {
      ...description, slot: number, mac: macAddressText(address),
      ...(description.network === NAT ? {} : { name: description.name ?? `vm${process.pid}-${number}` }),
    };
    const bell = connections.doorbell(NETWORK_DOORBELL);
    const adapter = new MachineAdapter({
      nic: number, instanceId: nicInstance(number), macAddress: address, bus,
      queueCount: Math.min(processors, MAXIMUM_CHANNELS),
      handOver: (relid) => {
        connections.openEvents(connectionId(relid), NETWORK_DOORBELL);
        return connectionId(relid);
      },
      send: (command) => { this.#thread.send(command); },
      call: (command) => this.#thread.call(command),
      ring: () => bell.ring(),
      onReleased: () => this.#adapters.delete(number),
    });
    const offer = adapter.offer();
    if (offer === undefined) return undefined;
    const endpoint = this.#networkOf(nic, number);
    const crossed = endpoint && new CrossedNetwork({
      endpoint, ring: () => bell.ring(), onFailure: this.#options.onFailure,
    });
    this.#adapters.set(number, adapter);
    this.#startThread();
    adapter.plugIn(crossed === undefined ? switchPort(nic, address) : { kind: 'crossed', buffer: crossed.buffer });
    return { number, nic, adapter, offer, crossed };
  }

  /** A network on this thread; undefined when it is a switch's. */
  #networkOf(nic: NicDescription, number: number): NetworkEndpoint | undefined {
    const { connectNetwork } = this.#options.ports;
    if (connectNetwork !== undefined) return connectNetwork(nic, number);
    return nic.network === NAT ? this.nat.attach(nicName(number)) : undefined;
  }

  #startThread(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#thread.start().catch((error: unknown) => this.#options.onFailure(error));
  }

  #onReport(report: NetworkReport): void {
    switch (report.kind) {
      case 'broken':
        this.#adapters.get(report.nic)?.broken(report.index, report.reason);
        return;
      case 'sub-channel':
        this.#adapters.get(report.nic)?.offerSubChannel(report.index);
        return;
      case 'drained':
        this.#adapters.get(report.nic)?.drained();
        return;
      case 'switches-wanted':
        void this.#startSwitches();
        return;
      default:
        report satisfies never;
    }
  }

  async #startSwitches(): Promise<void> {
    const { startSwitches: start } = this.#options.ports;
    let failure: string | undefined;
    try {
      if (start === undefined) (await startSwitches(SwitchDirectory.open())).destroy();
      else await start();
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    this.#thread.send({ kind: 'switches', failure });
  }
}

function switchPort({ network, name = '', settings }: NicDescription, address: Uint8Array): NicNetwork {
  const { configuration, runtime } = SwitchDirectory.open();
  return {
    kind: 'switch', directory: { configuration, runtime },
    link: { switch: network, nic: name, mac: readMac(address, 0), ...(settings && { settings }) },
  };
}

/** As the NAT network knows it. */
function nicName(number: number): string {
  return `nic${number}`;
}

function addressOf({ mac, network }: NicDescription, index: number): Uint8Array {
  const given = mac === undefined ? undefined : parseMacAddress(mac);
  return given ?? poolMacAddress(network === NAT ? FIRST_ADDRESS + index : randomInt(1, FIRST_ADDRESS));
}
