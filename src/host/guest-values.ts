/** Names and values that host and guest leave for each other, each side in a pool of its own, kept by the guest. */
import type { MachineClient } from '../machine/process/machine-client.ts';

/** Finds the running machine; throws when there is none. */
export type RunningMachine = () => MachineClient;

export class GuestValues {
  readonly #machine: RunningMachine;
  readonly #patienceMs: number;

  constructor(options: { machine: RunningMachine; patienceMs: number }) {
    this.#machine = options.machine;
    this.#patienceMs = options.patienceMs;
  }

  /** Leaves a value for the guest: under /var/lib/hyperv/.kvp_pool_0. */
  async set(name: string, value: string): Promise<void> {
    await this.#machine().call('setValue', name, value, this.#patienceMs);
  }

  async delete(name: string): Promise<void> {
    await this.#machine().call('deleteValue', name, this.#patienceMs);
  }

  /** What the host has left. */
  ofHost(): Promise<ReadonlyMap<string, string>> {
    return this.#machine().call('values', 'host', this.#patienceMs);
  }

  /** What the guest has left for us: in its /var/lib/hyperv/.kvp_pool_1. */
  ofGuest(): Promise<ReadonlyMap<string, string>> {
    return this.#machine().call('values', 'guest', this.#patienceMs);
  }
}
