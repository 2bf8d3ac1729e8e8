/**
 * The machine's network adapters: one service for each NIC of the description, on the bus of the VM worker's main
 * thread, and behind it the network that the description names.
 */
import { parseMacAddress, poolMacAddress } from '../kit/mac-address.ts';
import { OperatingError } from '../kit/errors.ts';
import type { NetworkEndpoint } from '../kit/network-endpoint.ts';
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import type { VmBus } from '../vmbus/bus.ts';
import { NetworkAdapter } from '../vsp/network/device.ts';
import type { NetworkState } from '../vsp/network/state.ts';
import type { ConnectNetwork, NicDescription } from './description.ts';
import { MachineNat } from './network-nat.ts';

/** The pool's addresses of machines that nobody gave any; NICs count from here. */
const FIRST_ADDRESS = 0x80_0000;

const NAT = 'nat';

/** The instance of the NIC with that index: the same in every run, as interface names may hang on it. */
export function nicInstance(index: number): string {
  return `7f0cd1a4-2d4e-4b5a-9c3b-00155d0000${index.toString(16).padStart(2, '0')}`;
}

export class MachineNetwork {
  readonly adapters: readonly NetworkAdapter[];
  /** Where NICs of the NAT network get their addresses. */
  readonly nat: MachineNat;
  readonly #endpoints: readonly NetworkEndpoint[];

  constructor(options: {
    bus: VmBus; memory: GuestMemory; nics: readonly NicDescription[]; connect?: ConnectNetwork | undefined;
    /** Of the NAT network, when guests know it already. */
    natSubnet?: string | undefined;
  }) {
    const { bus, memory, nics } = options;
    this.nat = new MachineNat(options.natSubnet);
    const connect = options.connect ?? ((nic, index): NetworkEndpoint => this.#connect(nic, index));
    this.#endpoints = nics.map((nic, index) => connect(nic, index));
    this.adapters = this.#endpoints.map((endpoint, index) => {
      const given = nics[index]?.mac;
      const mine = given === undefined ? undefined : parseMacAddress(given);
      const macAddress = mine ?? poolMacAddress(FIRST_ADDRESS + index);
      return new NetworkAdapter({ instanceId: nicInstance(index), macAddress, ram: memory, endpoint });
    });
    for (const adapter of this.adapters) bus.offer(adapter);
  }

  /** Only while the guest is paused. */
  saveState(): NetworkState[] {
    return this.adapters.map((adapter) => adapter.saveState());
  }

  /** Before the bus is restored, which opens the channels again. The NICs are those of the saved machine. */
  restoreState(states: readonly NetworkState[]): void {
    this.adapters.forEach((adapter, index) => {
      const state = states[index];
      if (state !== undefined) adapter.restoreState(state);
    });
  }

  close(): void {
    for (const endpoint of this.#endpoints) endpoint.close();
    this.nat.close();
  }

  inspect(): object {
    return { adapters: this.adapters.map((adapter) => adapter.inspect()), nat: this.nat.inspect() };
  }

  #connect({ network }: NicDescription, index: number): NetworkEndpoint {
    if (network === NAT) return this.nat.attach(`nic${index}`);
    throw new OperatingError('unsupported', `there is no network ${network}: say ${NAT}, or leave the NIC out`);
  }
}
