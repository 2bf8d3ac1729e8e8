/**
 * The owner's end of a link to a machine: in a process of its own, as a rule, or within this one when the owner brings
 * a clock, which cannot leave its process.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../kit/clock.ts';
import { OperatingError } from '../../kit/errors.ts';
import { startSwitches } from '../../vswitch/service/start.ts';
import { SwitchDirectory } from '../../vswitch/service/switch-directory.ts';
import type { HeartbeatHealth, MachineEnd } from '../description.ts';
import { isolatedStart } from './isolation.ts';
import { Link, type LinkPort } from './link.ts';
import { localPorts, processPort } from './link-ports.ts';
import type { MachineCalls, OwnerCalls } from './machine-calls.ts';
import { MachineServer } from './machine-server.ts';
import { RemoteStream } from './remote-stream.ts';

/** How long a machine may take to stop its threads, and its process then to end, before that is killed. */
const STOP_DEADLINE_MS = 5000;
const END_DEADLINE_MS = 5000;
const MAPS = '--enable-source-maps';

export interface MachineEvents {
  output(bytes: Uint8Array): Promise<void> | void;
  heartbeatChanged(health: HeartbeatHealth): void;
  restarted(): void;
}

/** Where a machine runs. */
interface Place {
  /** The machine is gone. */
  readonly ended: Promise<unknown>;
  /** Ends it whatever it does. */
  kill(): void;
}

export class MachineClient {
  readonly #link: Link<MachineCalls>;
  readonly #place: Place;
  readonly #streams = new Map<number, RemoteStream>();
  readonly #listeners = new Map<number, (stream: Duplex) => void>();
  #lastStream = 0;

  /** A machine in a process of its own. */
  static inProcess(events: MachineEvents): MachineClient {
    // Maps are for who develops: reading them takes as long as the rest of the start.
    const { execPath, execArgv, env } = isolatedStart(process.env, process.execArgv.filter((word) => word === MAPS));
    const child = fork(new URL('../../../whole/vm-process.js', import.meta.url), {
      serialization: 'advanced', execPath, execArgv: [...execArgv], env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    child.on('error', () => {});
    return new MachineClient(processPort(child), events, {
      ended: once(child, 'exit'), kill: () => { child.kill('SIGKILL'); },
    });
  }

  /** A machine in this process, whose guest follows the clock given. */
  static local(events: MachineEvents, clock: Clock): MachineClient {
    const [mine, its] = localPorts();
    const server = new MachineServer({ port: its, clock });
    return new MachineClient(mine, events, { ended: server.done(), kill: () => {} });
  }

  private constructor(port: LinkPort, events: MachineEvents, place: Place) {
    this.#place = place;
    this.#link = new Link<MachineCalls>(port, this.#calls(events));
    void this.#link.closed.then(() => {
      for (const stream of this.#streams.values()) stream.abandon();
    });
  }

  readonly call: Link<MachineCalls>['call'] = (name, ...values) => this.#link.call(name, ...values);

  /** How the run ends; when the process ends under it, that is how. */
  async start(): Promise<MachineEnd> {
    try {
      return await this.#link.call('start');
    } catch (error) {
      return { kind: 'failed', message: (error as Error).message };
    }
  }

  /** Stops the machine whatever it does; when this resolves, nothing is left of it. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#place.kill(), STOP_DEADLINE_MS + END_DEADLINE_MS);
    await this.#link.call('stop', STOP_DEADLINE_MS).catch(() => {});
    this.#link.close();
    await this.#place.ended;
    clearTimeout(timer);
  }

  async connect(port: number, timeoutMs?: number): Promise<Duplex> {
    const number = ++this.#lastStream;
    const stream = this.#add(number);
    try {
      await this.#link.call('connect', port, number, timeoutMs);
      return stream;
    } catch (error) {
      this.#streams.delete(number);
      throw error;
    }
  }

  /** Takes the guest's connections to a port until the returned object is disposed of. */
  async listen(port: number, listener: (stream: Duplex) => void): Promise<AsyncDisposable> {
    if (this.#listeners.has(port)) {
      throw new OperatingError('usage', `cannot listen on port ${port}: it is taken, choose another`);
    }
    this.#listeners.set(port, listener);
    try {
      await this.#link.call('listen', port);
    } catch (error) {
      this.#listeners.delete(port);
      throw error;
    }
    return {
      [Symbol.asyncDispose]: async () => {
        this.#listeners.delete(port);
        await this.#link.call('unlisten', port).catch(() => {});
      },
    };
  }

  #calls(events: MachineEvents): OwnerCalls {
    return {
      output: (bytes) => events.output(bytes),
      heartbeatChanged: (health) => events.heartbeatChanged(health),
      restarted: () => events.restarted(),
      startSwitches: async () => { (await startSwitches(SwitchDirectory.open())).destroy(); },
      accepted: (port, number) => {
        const stream = this.#add(number);
        const listener = this.#listeners.get(port);
        if (listener === undefined) stream.destroy();
        else listener(stream);
      },
      data: async (number, bytes) => this.#streams.get(number)?.takeData(bytes),
      ended: (number) => this.#streams.get(number)?.takeEnd(),
      closed: (number) => {
        this.#streams.get(number)?.takeClose();
        this.#streams.delete(number);
      },
    };
  }

  #add(number: number): RemoteStream {
    const stream = new RemoteStream(this.#link, number);
    this.#streams.set(number, stream);
    return stream;
  }
}
