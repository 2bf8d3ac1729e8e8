/**
 * The machine's network adapters: one service for each NIC of the description, on the bus of the VM worker's main
 * thread, and behind it the network that the description names.
 */
import { randomInt } from 'node:crypto';
import { macAddressText, parseMacAddress, poolMacAddress } from '../kit/mac-address.ts';
import type { NetworkEndpoint } from '../kit/network-endpoint.ts';
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import type { VmBus } from '../vmbus/bus.ts';
import { NetworkAdapter } from '../vsp/network/device.ts';
import type { NetworkState } from '../vsp/network/state.ts';
import { SwitchLink } from '../vswitch/link/switch-link.ts';
import { readMac } from '../vswitch/packet/addresses.ts';
import { startSwitches } from '../vswitch/service/start.ts';
import { SwitchDirectory } from '../vswitch/service/switch-directory.ts';
import type { ConnectNetwork, NicDescription } from './description.ts';
import { MachineNat } from './network-nat.ts';

/**
 * The pool's addresses for NICs that were given none. Behind NAT, where a machine is alone, they count from here; on a
 * switch they are drawn from those below, so that two machines do not have the same.
 */
const FIRST_ADDRESS = 0x80_0000;

const NAT = 'nat';

/** The instance of the NIC with that index: the same in every run, as interface names may hang on it. */
export function nicInstance(index: number): string {
  return `7f0cd1a4-2d4e-4b5a-9c3b-00155d0000${index.toString(16).padStart(2, '0')}`;
}

export class MachineNetwork {
  readonly adapters: readonly NetworkAdapter[];
  /** As they were described, with the addresses and names that they got: whoever restores them needs the same. */
  readonly nics: readonly NicDescription[];
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
    this.nics = nics.map((nic, index) => ({
      ...nic, mac: macAddressText(addressOf(nic, index)),
      ...(nic.network === NAT ? {} : { name: nic.name ?? `vm${process.pid}-${index}` }),
    }));
    this.#endpoints = this.nics.map((nic, index) => options.connect?.(nic, index) ?? this.#connect(nic, index));
    this.adapters = this.#endpoints.map((endpoint, index) => new NetworkAdapter({
      instanceId: nicInstance(index), macAddress: addressOf(this.nics[index] as NicDescription, index), ram: memory,
      endpoint,
    }));
    for (const adapter of this.adapters) bus.offer(adapter);
  }

  /** @throws OperatingError when a NIC is to be on a switch that there is not. */
  static check(nics: readonly NicDescription[]): void {
    for (const { network } of nics) if (network !== NAT) SwitchDirectory.open().read(network);
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

  #connect(nic: NicDescription, index: number): NetworkEndpoint {
    const { network, name = '', settings } = nic;
    if (network === NAT) return this.nat.attach(`nic${index}`);
    const directory = SwitchDirectory.open();
    return new SwitchLink({
      switch: network, nic: name, mac: readMac(addressOf(nic, index), 0), ...(settings && { settings }),
      reach: () => startSwitches(directory),
    });
  }
}

function addressOf({ mac, network }: NicDescription, index: number): Uint8Array {
  const given = mac === undefined ? undefined : parseMacAddress(mac);
  return given ?? poolMacAddress(network === NAT ? FIRST_ADDRESS + index : randomInt(1, FIRST_ADDRESS));
}
