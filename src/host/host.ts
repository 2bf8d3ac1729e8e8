/**
 * The management service of one host, in the process of the program that opens it: it makes VMs, knows them by name,
 * and leaves none behind.
 */
import type { Clock } from '../kit/clock.ts';
import { OperatingError } from '../kit/errors.ts';
import { VM } from './vm.ts';
import { machineDescription, type VMOptions } from './vm-options.ts';

export interface HostOptions {
  /**
   * The clock that guests follow, for tests: with one, VMs run in this process instead of one each, as a clock cannot
   * leave its process.
   */
  readonly clock?: Clock;
}

/**
 * @example
 * await using host = await Host.open();
 * await using vm = await host.createVM({ name: 'a', image: 'tiny' });
 * await vm.start();
 */
export class Host implements AsyncDisposable {
  readonly #clock: Clock | undefined;
  readonly #vms = new Map<string, VM>();
  #isClosed = false;

  static async open(options: HostOptions = {}): Promise<Host> {
    return new Host(options);
  }

  private constructor(options: HostOptions) {
    this.#clock = options.clock;
  }

  /** The VMs that were created and not disposed of, in the order of their creation. */
  get vms(): readonly VM[] {
    return [...this.#vms.values()];
  }

  /** The VM of that name. */
  vm(name: string): VM | undefined {
    return this.#vms.get(name);
  }

  /**
   * Describes a VM; it is off.
   * @throws OperatingError for what cannot be, in one sentence.
   */
  async createVM(options: VMOptions): Promise<VM> {
    const { name } = options;
    const description = await machineDescription(options);
    if (this.#isClosed) throw new OperatingError('usage', 'the host was closed: open another');
    if (this.#vms.has(name)) {
      throw new OperatingError('usage', `there is a VM ${name} already: choose another name, or dispose of that one`);
    }
    const vm = new VM({ name, description, clock: this.#clock, forget: () => { this.#vms.delete(name); } });
    this.#vms.set(name, vm);
    return vm;
  }

  /** Stops and forgets every VM. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.vms.map((vm) => vm[Symbol.asyncDispose]()));
  }
}
