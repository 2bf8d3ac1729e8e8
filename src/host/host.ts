/**
 * The management service of one host, in the process of the program that opens it: it makes VMs, knows them by name,
 * and leaves none behind.
 */
import { resolve as absolute } from 'node:path';
import type { Clock } from '../kit/clock.ts';
import { OperatingError } from '../kit/errors.ts';
import type { MachineDescription, RestoreRequest } from '../machine/description.ts';
import { type NewSwitch, Switches } from './switches.ts';
import { VirtualSwitch } from './virtual-switch.ts';
import { VM } from './vm.ts';
import { expectName, machineDescription, type VMOptions } from './vm-options.ts';

/** A saved state, the VM's name, and the disks where they are not where they were. */
export interface RestoreOptions extends RestoreRequest {
  readonly name: string;
}

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
  readonly #switches = new Map<string, VirtualSwitch>();
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
    return this.#add(options.name, await machineDescription(options));
  }

  /**
   * A VM that goes on from what `VM.saveState` or `partout boot --save` wrote; it runs. Restoring one state twice gives
   * two guests with the same secrets and random numbers: have each gather entropy of its own before it makes keys.
   * @example await using vm = await host.restore({ name: 'a', file: 'a.state' });
   * @throws OperatingError for a file that is no state, is damaged, or does not go with its disks.
   */
  async restore({ name, ...request }: RestoreOptions): Promise<VM> {
    expectName(name);
    const vm = this.#add(name, { ...request, file: absolute(request.file) });
    try {
      await vm.start();
    } catch (error) {
      await vm[Symbol.asyncDispose]();
      throw error;
    }
    return vm;
  }

  /** The switches that were created here and not disposed of. */
  get switches(): readonly VirtualSwitch[] {
    return [...this.#switches.values()];
  }

  /**
   * A virtual switch, which is gone when it or the host is disposed of; private unless told otherwise.
   * @throws OperatingError for what cannot be, in one sentence.
   */
  async createSwitch(options: NewSwitch): Promise<VirtualSwitch> {
    if (this.#isClosed) throw new OperatingError('usage', 'the host was closed: open another');
    const switches = new Switches();
    const { name } = await switches.create(options);
    const made = new VirtualSwitch({ name, switches, forget: () => { this.#switches.delete(name); } });
    this.#switches.set(name, made);
    return made;
  }

  #add(name: string, origin: MachineDescription | RestoreRequest): VM {
    if (this.#isClosed) throw new OperatingError('usage', 'the host was closed: open another');
    if (this.#vms.has(name)) {
      throw new OperatingError('usage', `there is a VM ${name} already: choose another name, or dispose of that one`);
    }
    const vm = new VM({ name, origin, clock: this.#clock, forget: () => { this.#vms.delete(name); } });
    this.#vms.set(name, vm);
    return vm;
  }

  /** Stops and forgets every VM, then removes the switches that were created here. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.vms.map((vm) => vm[Symbol.asyncDispose]()));
    await Promise.all(this.switches.map((each) => each[Symbol.asyncDispose]()));
  }
}
