/** The machine's end of a link to its owner: builds the machine that the owner describes, and does what it asks. */
import type { Duplex } from 'node:stream';
import type { Worker } from 'node:worker_threads';
import { assert } from '../../kit/assert.ts';
import type { Clock } from '../../kit/clock.ts';
import { OperatingError } from '../../kit/errors.ts';
import { KvpPool } from '../../protocols/integration/kvp.ts';
import type { MachinePorts } from '../description.ts';
import { Machine } from '../machine.ts';
import { nicInstance } from '../network.ts';
import { takeSnapshot } from '../snapshot.ts';
import { Link, type LinkPort } from './link.ts';
import type { MachineCalls, OwnerCalls, ValuePool } from './machine-calls.ts';

const STOP_DEADLINE_MS = 5000;
const POOLS = {
  host: KvpPool.External, guest: KvpPool.Guest, facts: KvpPool.Auto,
} satisfies Record<ValuePool, KvpPool>;

export class MachineServer {
  readonly #link: Link<OwnerCalls>;
  readonly #clock: Clock | undefined;
  readonly #processorThread: Worker | undefined;
  readonly #streams = new Map<number, Duplex>();
  readonly #listening = new Map<number, Disposable>();
  #running: Machine | undefined;
  #lastStream = 0;

  /**
   * @param options.clock in place of the host's, for a machine in the process of its owner.
   * @param options.processorThread the thread of the machine's first processor, if it was started already.
   */
  constructor(options: { port: LinkPort; clock?: Clock | undefined; processorThread?: Worker }) {
    this.#clock = options.clock;
    this.#processorThread = options.processorThread;
    this.#link = new Link<OwnerCalls>(options.port, this.#calls());
  }

  /** Resolves when the owner has let go or is gone, and the machine is stopped. */
  async done(): Promise<void> {
    await this.#link.closed;
    for (const stream of this.#streams.values()) stream.destroy();
    await this.#running?.stop(STOP_DEADLINE_MS);
  }

  get #machine(): Machine {
    assert(this.#running !== undefined, 'a machine is created before it is used');
    return this.#running;
  }

  #calls(): MachineCalls {
    return {
      create: async (description) => {
        this.#running = await Machine.create(description, this.#ports());
      },
      restore: async (request) => {
        this.#running = await Machine.restore(request, this.#ports());
        return this.#running.description;
      },
      save: (file) => this.#machine.save(file),
      start: () => this.#machine.start(),
      stop: (deadlineMs) => this.#machine.stop(deadlineMs),
      input: (bytes) => this.#machine.input(bytes),
      inspect: () => this.#machine.inspect(),
      statistics: () => this.#machine.statistics(),
      ...this.#serviceCalls(),
      ...this.#diskCalls(),
      ...this.#streamCalls(),
    };
  }

  #ports(): MachinePorts {
    return {
      console: { output: (bytes) => this.#link.call('output', bytes).catch(() => {}) },
      heartbeatChanged: (health) => this.#tell(this.#link.call('heartbeatChanged', health)),
      restarted: () => this.#tell(this.#link.call('restarted')),
      processorThread: this.#processorThread,
      startSwitches: () => this.#link.call('startSwitches'),
      ...(this.#clock === undefined ? {} : { clock: this.#clock }),
    };
  }

  #serviceCalls() {
    return {
      shutdown: async (restart, force, patienceMs) => {
        const { shutdown } = this.#machine.vmbus;
        await shutdown.ready(patienceMs);
        await shutdown.request({ restart, force });
      },
      values: async (pool, patienceMs) => (await this.#values(patienceMs)).enumerate(POOLS[pool]),
      setValue: async (key, value, patienceMs) => (await this.#values(patienceMs)).set(POOLS.host, key, value),
      deleteValue: async (key, patienceMs) => (await this.#values(patienceMs)).delete(POOLS.host, key),
      addresses: async (nic, patienceMs) => (await this.#values(patienceMs)).addresses(nicInstance(nic)),
      copyFile: async (path, data, options, patienceMs) => {
        const { fileCopy } = this.#machine.vmbus;
        await fileCopy.ready(patienceMs);
        await fileCopy.copy(path, data, options);
      },
    } satisfies Partial<MachineCalls>;
  }

  #diskCalls() {
    return {
      disks: () => this.#machine.storage.descriptions,
      addDisk: (disk) => this.#machine.storage.add(disk),
      removeDisk: (address) => this.#machine.storage.remove(address),
      resizeDisk: (address, sizeBytes) => this.#machine.storage.resize(address, sizeBytes),
      snapshot: (children, freezeMs) => {
        const { storage, vmbus: { snapshots } } = this.#machine;
        return takeSnapshot({ storage, snapshots }, children, freezeMs);
      },
      mergeDisk: (address) => this.#machine.storage.merge(address),
    } satisfies Partial<MachineCalls>;
  }

  async #values(patienceMs: number): Promise<Machine['kvp']> {
    const { kvp } = this.#machine;
    await kvp.ready(patienceMs);
    return kvp;
  }

  #streamCalls() {
    return {
      connect: async (port, stream, timeoutMs) => this.#carry(stream, await this.#machine.socket(port, timeoutMs)),
      listen: (port) => {
        this.#listening.set(port, this.#machine.vmbus.sockets.listen(port, (stream) => {
          const number = --this.#lastStream;
          this.#tell(this.#link.call('accepted', port, number));
          this.#carry(number, stream);
        }));
      },
      unlisten: (port) => {
        this.#listening.get(port)?.[Symbol.dispose]();
        this.#listening.delete(port);
      },
      write: (number, bytes) => new Promise<void>((resolve, reject) => {
        this.#stream(number).write(bytes, (error) => { if (error) reject(error); else resolve(); });
      }),
      end: (number) => new Promise<void>((resolve) => { this.#stream(number).end(() => resolve()); }),
      destroy: (number) => { this.#streams.get(number)?.destroy(); },
    } satisfies Partial<MachineCalls>;
  }

  #stream(number: number): Duplex {
    const stream = this.#streams.get(number);
    if (stream === undefined) throw new OperatingError('guest', 'the guest closed the connection');
    return stream;
  }

  /** Hands over what comes out of a stream, as fast as the owner takes it. */
  #carry(number: number, stream: Duplex): void {
    this.#streams.set(number, stream);
    let isBusy = false;
    const carry = async (): Promise<void> => {
      if (isBusy) return;
      isBusy = true;
      for (let bytes = stream.read(); bytes !== null; bytes = stream.read()) {
        await this.#link.call('data', number, bytes as Uint8Array);
      }
      isBusy = false;
    };
    stream.on('readable', () => this.#tell(carry()));
    stream.once('end', () => this.#tell(this.#link.call('ended', number)));
    stream.once('close', () => {
      this.#streams.delete(number);
      this.#tell(this.#link.call('closed', number));
    });
  }

  /** An owner that is gone need not be told. */
  #tell(call: Promise<unknown>): void {
    call.catch(() => {});
  }
}
