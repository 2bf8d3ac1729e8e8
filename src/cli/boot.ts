/**
 * `partout boot`: one virtual machine in the foreground. Whatever ends the run (the guest, a signal, the deadline, the
 * person at the terminal), the machine is stopped, the terminal given back and the figures written before we return.
 */

import { accessSync, constants, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { OperatingError, systemError } from '../kit/errors.ts';
import type { CreateMachine, RestoreMachine, RunnableMachine } from '../machine/description.ts';
import type { BootRequest } from './boot-request.ts';
import { STATUS, endingOf, type Ending } from './endings.ts';
import { SerialConsole, type ConsoleStreams } from './serial-console.ts';

const STOP_DEADLINE_MS = 2000;
/** Some time that is shorter than the longest timer. */
const LONG_MS = 3_600_000;

/** The signals that end a run. SIGHUP is what a closed terminal window sends. */
const ENDING_SIGNALS: readonly (readonly [signal: NodeJS.Signals, status: number])[] = [
  ['SIGINT', STATUS.interrupted], ['SIGTERM', STATUS.terminated], ['SIGHUP', STATUS.hangUp],
];
/** Prints the tree of live state. */
const INSPECT_SIGNAL = 'SIGUSR1';
/** Writes the guest's state to the file of `--save`. */
const SAVE_SIGNAL = 'SIGUSR2';

/** Where signals come from: `process`, or a test's own emitter. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

export interface BootHost {
  readonly createMachine: CreateMachine;
  readonly restoreMachine: RestoreMachine;
  readonly streams: ConsoleStreams;
  readonly signals: SignalSource;
  /** One line for the person, on standard error. */
  say(line: string): void;
}

/** Runs the machine and returns the exit status. */
export async function boot(request: BootRequest, host: BootHost): Promise<number> {
  if (request.statsFile !== undefined) checkWritable(request.statsFile, 'the figures');
  if (request.saveFile !== undefined) checkWritable(request.saveFile, 'the state');
  const startedMs = performance.now();
  const serial = new SerialConsole(host.streams);
  const interruption = new Interruption(request, serial, host.signals);
  try {
    const ports = {
      console: { output: (bytes: Uint8Array) => serial.output(bytes) }, notice: (line: string) => host.say(line),
    };
    const machine = request.restore === undefined
      ? await host.createMachine(request.description, ports) : await host.restoreMachine(request.restore, ports);
    const inspect = (): void => host.say(JSON.stringify(machine.inspect(), undefined, 2));
    host.signals.on(INSPECT_SIGNAL, inspect);
    const save = saving(machine, request.saveFile, host);
    if (save !== undefined) host.signals.on(SAVE_SIGNAL, save);
    let ending: Ending;
    try {
      ending = await run(machine, serial, interruption, host);
    } finally {
      host.signals.off(INSPECT_SIGNAL, inspect);
      if (save !== undefined) host.signals.off(SAVE_SIGNAL, save);
      await machine.stop(STOP_DEADLINE_MS);
      await serial.close();
    }
    if (serial.isMidLine && ending.lines.length > 0) host.streams.output.write('\n');
    for (const line of ending.lines) host.say(line);
    if (request.statsFile !== undefined) writeStatistics(request.statsFile, machine, ending.status, startedMs);
    return ending.status;
  } finally {
    interruption.dispose();
  }
}

/** What SIGUSR2 does: the machine ends the run itself once it is saved; until then one signal counts. */
function saving(machine: RunnableMachine, file: string | undefined, host: BootHost): (() => void) | undefined {
  if (file === undefined) return undefined;
  let isSaving = false;
  return () => {
    if (isSaving) return;
    isSaving = true;
    machine.save(file).catch((error: unknown) => {
      isSaving = false;
      if (error instanceof OperatingError) host.say(error.message);
      else throw error;
    });
  };
}

async function run(
  machine: RunnableMachine, serial: SerialConsole, interruption: Interruption, host: BootHost,
): Promise<Ending> {
  if (serial.isTerminal) host.say('Ctrl-] leaves');
  serial.attach(machine);
  return Promise.race([interruption.ended, machine.start().then(endingOf)]);
}

/** Everything but the guest that can end a run: signals, the deadline, the console. */
class Interruption {
  readonly ended: Promise<Ending>;
  readonly #release: (() => void)[] = [];

  constructor(request: BootRequest, serial: SerialConsole, signals: SignalSource) {
    // A run lasts until something ends it, whatever the machine leaves open in the event loop.
    const alive = setInterval(() => {}, LONG_MS);
    this.#release.push(() => clearInterval(alive));
    this.ended = new Promise((resolve) => {
      for (const [signal, status] of ENDING_SIGNALS) {
        const listener = (): void => resolve({ status, lines: [] });
        signals.on(signal, listener);
        this.#release.push(() => signals.off(signal, listener));
      }
      if (request.timeoutMs !== undefined) {
        const lines = [`stopped after ${request.timeoutMs / 1000} seconds, as --timeout says`];
        const timer = setTimeout(() => resolve({ status: STATUS.timeout, lines }), request.timeoutMs);
        this.#release.push(() => clearTimeout(timer));
      }
      void serial.ended.then((why) => resolve(why === 'left'
        ? { status: STATUS.interrupted, lines: ['left; the guest was stopped'] }
        : { status: STATUS.failed, lines: ['standard output was closed; the guest was stopped'] }));
    });
  }

  dispose(): void {
    for (const release of this.#release) release();
  }
}

/** A figure that cannot be written is known before the guest runs for an hour. */
function checkWritable(file: string, what: string): void {
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (error) {
    throw systemError(`write ${what} to ${file}`, error);
  }
}

function writeStatistics(file: string, machine: RunnableMachine, status: number, startedMs: number): void {
  const figures = {
    status,
    wallSeconds: (performance.now() - startedMs) / 1000,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    ...machine.statistics(),
  };
  try {
    writeFileSync(file, `${JSON.stringify(figures, undefined, 2)}\n`);
  } catch (error) {
    throw systemError(`write the figures to ${file}`, error);
  }
}
