/**
 * The machine's network adapters: one service for each NIC of the description, on the bus of the VM worker's main
 * thread, and behind it the network that the description names.
 */
import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import { macAddressText, parseMacAddress, poolMacAddress } from '../kit/mac-address.ts';
import { OperatingError } from '../kit/errors.ts';
import type { NetworkEndpoint } from '../kit/network-endpoint.ts';
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import type { VmBus } from '../vmbus/bus.ts';
import type { Offer } from '../vmbus/offer.ts';
import { NetworkAdapter } from '../vsp/network/device.ts';
import type { NetworkState } from '../vsp/network/state.ts';
import { SwitchLink } from '../vswitch/link/switch-link.ts';
import { readMac } from '../vswitch/packet/addresses.ts';
import { reachSwitches, startSwitches } from '../vswitch/service/start.ts';
import { SwitchDirectory } from '../vswitch/service/switch-directory.ts';
import { type MachinePorts, MAXIMUM_NICS, type NicDescription } from './description.ts';
import { MachineNat } from './network-nat.ts';

/**
 * The pool's addresses for NICs that were given none. Behind NAT, where a machine is alone, they count from here; on a
 * switch they are drawn from those below, so that two machines do not have the same.
 */
const FIRST_ADDRESS = 0x80_0000;

const NAT = 'nat';
const MAXIMUM_CHANNELS = 8;
/** A guest that has not given back its frames by then does not want to. */
const DRAIN_MS = 2000;

/** The instance of the NIC with that index: the same in every run, as interface names may hang on it. */
export function nicInstance(index: number): string {
  return `7f0cd1a4-2d4e-4b5a-9c3b-00155d0000${index.toString(16).padStart(2, '0')}`;
}

/** A NIC that is there, and what holds it. */
interface Slot {
  readonly number: number;
  /** As it was described, with the address and name that it got: whoever restores it needs the same. */
  readonly nic: NicDescription;
  readonly endpoint: NetworkEndpoint;
  readonly adapter: NetworkAdapter;
  readonly offer: Offer;
}

export class MachineNetwork {
  /** Where NICs of the NAT network get their addresses. */
  readonly nat: MachineNat;
  readonly #bus: VmBus;
  readonly #memory: GuestMemory;
  readonly #ports: Pick<MachinePorts, 'connectNetwork' | 'startSwitches'>;
  readonly #channels: number;
  #slots: readonly Slot[] = [];

  constructor(options: {
    bus: VmBus; memory: GuestMemory; nics: readonly NicDescription[];
    ports: Pick<MachinePorts, 'connectNetwork' | 'startSwitches'>;
    /** Of the guest: a NIC has a channel for each, up to `MAXIMUM_CHANNELS`. */
    processors?: number | undefined;
    /** Of the NAT network, when guests know it already. */
    natSubnet?: string | undefined;
  }) {
    this.#bus = options.bus;
    this.#memory = options.memory;
    this.#ports = options.ports;
    this.#channels = Math.min(options.processors ?? 1, MAXIMUM_CHANNELS);
    this.nat = new MachineNat(options.natSubnet);
    for (const nic of options.nics) this.add(nic);
  }

  get adapters(): readonly NetworkAdapter[] {
    return this.#slots.map(({ adapter }) => adapter);
  }

  get nics(): readonly NicDescription[] {
    return this.#slots.map(({ nic }) => nic);
  }

  /**
   * Gives the guest a NIC, at once if it runs.
   * @throws OperatingError when it has as many as a guest can have.
   */
  add(description: NicDescription): NetworkAdapter {
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
  remove(adapter: NetworkAdapter): void {
    const slot = this.#slots.find((each) => each.adapter === adapter);
    if (slot === undefined) return;
    this.#slots = this.#slots.filter((each) => each !== slot);
    slot.endpoint.close();
    let timer: NodeJS.Timeout | undefined = setTimeout(() => rescind(), DRAIN_MS);
    const rescind = (): void => {
      if (timer === undefined) return;
      clearTimeout(timer);
      timer = undefined;
      this.#bus.rescind(slot.offer);
    };
    slot.adapter.leave(rescind);
  }

  /** @throws OperatingError when a NIC is to be on a switch that there is not. */
  static check(nics: readonly NicDescription[]): void {
    for (const { network } of nics) if (network !== NAT) SwitchDirectory.open().read(network);
  }

  /** Only while the guest is paused. */
  saveState(): NetworkState[] {
    return this.#slots.map(({ adapter }) => adapter.saveState());
  }

  /** Before the bus is restored, which opens the channels again. The NICs are those of the saved machine. */
  restoreState(states: readonly NetworkState[]): void {
    this.#slots.forEach(({ adapter }, index) => {
      const state = states[index];
      if (state !== undefined) adapter.restoreState(state);
    });
  }

  close(): void {
    for (const { endpoint } of this.#slots) endpoint.close();
    this.nat.close();
  }

  inspect(): object {
    return { adapters: this.adapters.map((adapter) => adapter.inspect()), nat: this.nat.inspect() };
  }

  /** Undefined: the guest has not let go of the NIC that was there before. */
  #open(description: NicDescription, number: number): Slot | undefined {
    const address = addressOf(description, number);
    const nic: NicDescription = {
      ...description, slot: number, mac: macAddressText(address),
      ...(description.network === NAT ? {} : { name: description.name ?? `vm${process.pid}-${number}` }),
    };
    const endpoint = this.#ports.connectNetwork?.(nic, number) ?? this.#connect(nic, number, address);
    const adapter: NetworkAdapter = new NetworkAdapter({
      instanceId: nicInstance(number), macAddress: address, ram: this.#memory, endpoint, queueCount: this.#channels,
      offerSubChannel: (index) => this.#bus.offer(adapter.subChannel(index), index),
    });
    const offer = this.#bus.offer(adapter);
    if (offer !== undefined) return { number, nic, endpoint, adapter, offer };
    endpoint.close();
    return undefined;
  }

  #connect({ network, name = '', settings }: NicDescription, number: number, address: Uint8Array): NetworkEndpoint {
    if (network === NAT) return this.nat.attach(nicName(number));
    const directory = SwitchDirectory.open();
    return new SwitchLink({
      switch: network, nic: name, mac: readMac(address, 0), ...(settings && { settings }),
      reach: () => this.#reachSwitches(directory),
    });
  }

  /** @throws OperatingError when the switch process does not come up. */
  async #reachSwitches(directory: SwitchDirectory): Promise<Socket> {
    const start = this.#ports.startSwitches;
    if (start === undefined) return startSwitches(directory);
    const running = await reachSwitches(directory);
    if (running !== undefined) return running;
    await start();
    const socket = await reachSwitches(directory);
    if (socket === undefined) throw new OperatingError('host', 'the switch process has gone again');
    return socket;
  }
}

/** As the NAT network knows it. */
function nicName(number: number): string {
  return `nic${number}`;
}

function addressOf({ mac, network }: NicDescription, index: number): Uint8Array {
  const given = mac === undefined ? undefined : parseMacAddress(mac);
  return given ?? poolMacAddress(network === NAT ? FIRST_ADDRESS + index : randomInt(1, FIRST_ADDRESS));
}
