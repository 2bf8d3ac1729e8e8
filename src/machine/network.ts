/**
 * The machine's network adapters: one service for each NIC of the description, on the bus of the VM worker's main
 * thread, and behind it the network that the description names.
 */
import { parseMacAddress, poolMacAddress } from '../kit/mac-address.ts';
import type { NetworkEndpoint } from '../kit/network-endpoint.ts';
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import type { VmBus } from '../vmbus/bus.ts';
import { NetworkAdapter } from '../vsp/network/device.ts';
import type { ConnectNetwork, NicDescription } from './description.ts';

/** The pool's addresses of machines that nobody gave any; NICs count from here. */
const FIRST_ADDRESS = 0x80_0000;

/** The instance of the NIC with that index: the same in every run, as interface names may hang on it. */
export function nicInstance(index: number): string {
  return `7f0cd1a4-2d4e-4b5a-9c3b-00155d0000${index.toString(16).padStart(2, '0')}`;
}

export class MachineNetwork {
  readonly adapters: readonly NetworkAdapter[];
  readonly #endpoints: readonly NetworkEndpoint[];

  constructor(options: {
    bus: VmBus; memory: GuestMemory; nics: readonly NicDescription[]; connect: ConnectNetwork;
  }) {
    const { bus, memory, nics, connect } = options;
    this.#endpoints = nics.map((nic, index) => connect(nic, index));
    this.adapters = this.#endpoints.map((endpoint, index) => {
      const given = nics[index]?.mac;
      const mine = given === undefined ? undefined : parseMacAddress(given);
      const macAddress = mine ?? poolMacAddress(FIRST_ADDRESS + index);
      return new NetworkAdapter({ instanceId: nicInstance(index), macAddress, ram: memory, endpoint });
    });
    for (const adapter of this.adapters) bus.offer(adapter);
  }

  close(): void {
    for (const endpoint of this.#endpoints) endpoint.close();
  }

  inspect(): object {
    return this.adapters.map((adapter) => adapter.inspect());
  }
}
