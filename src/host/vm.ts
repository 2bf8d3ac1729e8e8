/**
 * A virtual machine as a program has it: described once, started and stopped as often as one likes. While it runs it
 * is a process of its own; what is asked of it goes there.
 */
import { readFile } from 'node:fs/promises';
import { resolve as absolute } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Clock } from '../kit/clock.ts';
import { OperatingError, systemError, usage } from '../kit/errors.ts';
import type { MachineDescription, MachineEnd, RestoreRequest } from '../machine/description.ts';
import { MachineClient, type MachineEvents } from '../machine/process/machine-client.ts';
import { Console } from './console.ts';
import { type ExecOptions, type ExecResult, execInGuest } from './guest-commands.ts';
import { type GuestFacts, guestFacts } from './guest-facts.ts';
import { GuestValues } from './guest-values.ts';
import { HeartbeatMonitor } from './heartbeat.ts';
import { VMDisks } from './vm-disks.ts';

/** What the guest is given to boot, and to do what it was asked for. */
const PATIENCE_MS = 120_000;

export interface DeadlineOptions {
  /** 120,000 by default. */
  readonly deadlineMs?: number;
  /** Programs in the guest may not hold it up. */
  readonly force?: boolean;
}

export interface CopyFileOptions {
  readonly overwrite?: boolean;
  /** Make the folders that lead to it. */
  readonly createPath?: boolean;
}

interface Run {
  readonly machine: MachineClient;
  ended: Promise<MachineEnd>;
}

export class VM implements AsyncDisposable {
  readonly name: string;
  /** The guest's serial console: of all runs, one after the other. */
  readonly console: Duplex;
  readonly heartbeat = new HeartbeatMonitor();
  /** Values that host and guest leave for each other. */
  readonly values: GuestValues;
  /** The guest's disks while it runs. */
  readonly disks: VMDisks;
  /** What to make, or to go on from the first time. */
  #origin: MachineDescription | RestoreRequest;
  readonly #clock: Clock | undefined;
  readonly #forget: () => void;
  readonly #console: Console;
  #run: Run | undefined;
  #lastEnd: Promise<MachineEnd> | undefined;
  #restarted: (() => void)[] = [];
  #isDisposed = false;

  /** By `Host.createVM` and `Host.restore`. */
  constructor(options: {
    name: string; origin: MachineDescription | RestoreRequest; clock: Clock | undefined; forget: () => void;
  }) {
    this.name = options.name;
    this.#origin = options.origin;
    this.#clock = options.clock;
    this.#forget = options.forget;
    this.#console = new Console(async (bytes) => { await this.#run?.machine.call('input', bytes); });
    this.console = this.#console;
    this.disks = new VMDisks({
      machine: () => this.#machine(),
      changed: (disks) => { if (!('file' in this.#origin)) this.#origin = { ...this.#origin, disks }; },
    });
    this.values = new GuestValues({ machine: () => this.#machine(), patienceMs: PATIENCE_MS });
  }

  get state(): 'off' | 'running' {
    return this.#run === undefined ? 'off' : 'running';
  }

  /** How the run ends that was started last: by itself, or stopped (then as `off`). */
  get ended(): Promise<MachineEnd> {
    return this.#lastEnd ?? Promise.reject(usage(`${this.name} was never started`));
  }

  /**
   * Starts the guest; resolves when its processors run.
   * @throws OperatingError when a file cannot be used, or it runs already.
   */
  async start(): Promise<void> {
    if (this.#isDisposed) throw usage(`${this.name} was disposed of: create another`);
    if (this.#run !== undefined) throw usage(`${this.name} runs already`);
    const events = this.#events();
    const machine = this.#clock === undefined ? MachineClient.inProcess(events)
      : MachineClient.local(events, this.#clock);
    const run: Run = { machine, ended: Promise.resolve({ kind: 'off' }) };
    this.#run = run;
    try {
      if ('file' in this.#origin) this.#origin = await machine.call('restore', this.#origin);
      else await machine.call('create', this.#origin);
    } catch (error) {
      await machine.stop();
      this.#run = undefined;
      throw error;
    }
    run.ended = this.#runToEnd(run);
    this.#lastEnd = run.ended;
  }

  /**
   * Has the guest switch itself off, as from its own console; resolves when it has.
   * @throws OperatingError when it refuses, crashes, or has not in time.
   */
  async shutdown({ deadlineMs = PATIENCE_MS, force = false }: DeadlineOptions = {}): Promise<void> {
    const { ended, machine } = this.#running();
    const late = `${this.name} has not switched itself off within ${deadlineMs / 1000} s: ` +
      'give it longer, or stop it with stop()';
    const end = await within(deadlineMs, late, async () => {
      await Promise.race([machine.call('shutdown', false, force, deadlineMs), ended]);
      return ended;
    });
    if (end.kind !== 'off') throw new OperatingError('guest', `${this.name} ended otherwise: ${end.kind}`);
  }

  /** Has the guest restart; resolves when it begins anew. Otherwise as `shutdown`. */
  async reboot({ deadlineMs = PATIENCE_MS, force = false }: DeadlineOptions = {}): Promise<void> {
    const { ended, machine } = this.#running();
    const restarted = new Promise<undefined>((resolve) => { this.#restarted.push(() => resolve(undefined)); });
    const late = `${this.name} has not restarted within ${deadlineMs / 1000} s: give it longer, or stop it with stop()`;
    const end = await within(deadlineMs, late, async () => {
      await Promise.race([machine.call('shutdown', true, force, deadlineMs), ended]);
      return Promise.race([restarted, ended]);
    });
    if (end !== undefined) throw new OperatingError('guest', `${this.name} ended instead of restarting: ${end.kind}`);
  }

  /**
   * Writes the guest to a file, memory and all, and switches the VM off; `Host.restore` goes on from there, and `start`
   * begins anew. Its disks are not part of it, and must then be as they are now.
   * @throws OperatingError when it cannot be written; the guest goes on.
   */
  async saveState(file: string): Promise<void> {
    const { machine, ended } = this.#running();
    await machine.call('save', absolute(file));
    await ended;
  }

  /** Switches it off whatever the guest does. A VM that does not run is left as it is. */
  async stop(): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    await run.machine.stop();
    await run.ended;
  }

  /** What the guest says of itself; it takes the guest's `hv_kvp_daemon`, which is waited for. */
  async facts(): Promise<GuestFacts> {
    return guestFacts(await this.#machine().call('values', 'facts', PATIENCE_MS));
  }

  /**
   * Writes a file of ours, or bytes, to an absolute path in the guest; it takes the guest's `hv_fcopy_daemon`.
   * @example await vm.copyFile('notes.txt', '/root/notes.txt', { overwrite: true });
   */
  async copyFile(source: string | Uint8Array, path: string, options: CopyFileOptions = {}): Promise<void> {
    const machine = this.#machine();
    const data = typeof source === 'string' ? await fileBytes(source) : source;
    await machine.call('copyFile', path, data, options, PATIENCE_MS);
  }

  /**
   * Runs a command in the guest and gives what it wrote and how it ended; a guest that comes up is waited for. It takes
   * an image of Partout's, whose guests take commands by AF_VSOCK.
   * @example const { stdout, exitCode } = await vm.exec(['uname', '-a']);
   */
  async exec(words: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const machine = this.#machine();
    return execInGuest(words, options, {
      connect: (port, timeoutMs) => machine.connect(port, timeoutMs), deadlineMs: options.deadlineMs ?? PATIENCE_MS,
    });
  }

  /** A stream to a program of the guest that listens on an AF_VSOCK port. */
  async socket(port: number): Promise<Duplex> {
    return this.#machine().connect(port);
  }

  /** Takes the guest's AF_VSOCK connections to a port of the host (CID 2) until what it gives is disposed of. */
  async listen(port: number, listener: (stream: Duplex) => void): Promise<AsyncDisposable> {
    return this.#machine().listen(port, listener);
  }

  /** A tree of live state, for people. */
  async inspect(): Promise<object> {
    return this.#machine().call('inspect');
  }

  /** Figures about the run. */
  async statistics(): Promise<object> {
    return this.#machine().call('statistics');
  }

  /** Stops it and makes its name free. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await this.stop();
    this.console.destroy();
    this.#forget();
  }

  #events(): MachineEvents {
    return {
      output: (bytes) => this.#console.output(bytes),
      heartbeatChanged: (state) => this.heartbeat.become(state),
      restarted: () => { for (const tell of this.#restarted.splice(0)) tell(); },
    };
  }

  async #runToEnd(run: Run): Promise<MachineEnd> {
    const end = await run.machine.start();
    await run.machine.stop();
    this.#run = undefined;
    this.heartbeat.become('no-contact');
    return end;
  }

  #running(): Run {
    if (this.#run === undefined) throw usage(`${this.name} does not run: start it first`);
    return this.#run;
  }

  #machine(): MachineClient {
    return this.#running().machine;
  }
}

/** @throws OperatingError when it takes longer. */
async function within<T>(deadlineMs: number, late: string, action: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new OperatingError('guest', late)), deadlineMs);
  });
  try {
    return await Promise.race([action(), deadline]);
  } finally {
    clearTimeout(timer);
  }
}

async function fileBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw systemError(`read ${path}`, error);
  }
}
