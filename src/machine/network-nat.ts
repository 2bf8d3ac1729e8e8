/** The NAT network of a machine: one for all of its NICs that want it, made when the first does. */
import type { NetworkEndpoint } from '../kit/network-endpoint.ts';
import { NatNetwork } from '../vswitch/nat/nat-network.ts';

export class MachineNat {
  #network: NatNetwork | undefined;
  readonly #subnet: string | undefined;

  /** @param subnet that guests know already; by default one that is free on the host. */
  constructor(subnet?: string) {
    this.#subnet = subnet;
  }

  /** Undefined while no NIC is attached. */
  get network(): NatNetwork | undefined {
    return this.#network;
  }

  /** The end for a NIC of that name. */
  attach(name: string): NetworkEndpoint {
    this.#network ??= new NatNetwork(this.#subnet === undefined ? {} : { subnet: this.#subnet });
    return this.#network.attach(name);
  }

  close(): void {
    this.#network?.close();
    this.#network = undefined;
  }

  inspect(): object | undefined {
    const network = this.#network;
    if (network === undefined) return undefined;
    return { subnet: network.subnet, gateway: network.gatewayAddress, sizes: network.sizes };
  }
}
