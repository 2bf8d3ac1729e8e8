/**
 * A guest that is put away at random moments and goes on in a process of its own each time. What it writes to its
 * console is one text, whatever process it was in; moments follow from a seed.
 */

import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Host, OperatingError, type VM, type VMOptions } from 'partout';

const STEP_MS = 20;
/** A guest that is just restarting, or not there any more. */
const MOST_TRIES = 50;

export class Traveller implements AsyncDisposable {
  vm: VM;
  /** Everything that the guest has written to its console. */
  console = '';
  journeys = 0;
  /** Between two processes. */
  isUnderWay = false;
  readonly #host: Host;
  readonly #file: string;
  #read = 0;

  static async start(host: Host, options: VMOptions, folder: string): Promise<Traveller> {
    const vm = await host.createVM(options);
    const traveller = new Traveller(host, vm, folder);
    await vm.start();
    return traveller;
  }

  /** Goes on from where a former traveller was. */
  static async restored(host: Host, options: { name: string; file: string }, folder: string): Promise<Traveller> {
    return new Traveller(host, await host.restore(options), folder);
  }

  private constructor(host: Host, vm: VM, folder: string) {
    this.#host = host;
    this.vm = vm;
    this.#file = join(folder, `${vm.name}.state`);
    this.#listen();
  }

  /** Into another process. The state is kept as the file `kept`, if one is named. */
  async travel(kept?: string): Promise<void> {
    const { name } = this.vm;
    this.journeys++;
    this.isUnderWay = true;
    for (let tries = 0; ; tries++) {
      try {
        await this.vm.saveState(this.#file);
        break;
      } catch (error) {
        if (tries === MOST_TRIES || !(error instanceof OperatingError) || error.code !== 'guest') throw error;
        await setTimeout(STEP_MS);
      }
    }
    await this.vm[Symbol.asyncDispose]();
    this.vm = await this.#host.restore({ name, file: this.#file });
    this.#listen();
    if (kept === undefined) rmSync(this.#file);
    else renameSync(this.#file, kept);
    this.isUnderWay = false;
  }

  type(text: string): void {
    this.vm.console.write(text);
  }

  /** Waits until the console, after what earlier calls have matched, shows `pattern`. */
  async expect(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.console.slice(this.#read));
      if (match !== null) {
        this.#read += match.index + match[0].length;
        return match;
      }
      if (performance.now() > deadline) {
        throw new Error(`no ${pattern} after ${this.journeys} journeys in:\n${this.console.slice(-3000)}`);
      }
      await setTimeout(STEP_MS);
    }
  }

  /** Runs a command in the guest's shell and returns its output. */
  async run(command: string, timeoutMs: number): Promise<string> {
    this.type(`echo "begins:"; ${command}; echo "ended:"$?\n`);
    const match = await this.expect(/begins:\r*\n([^]*?)ended:\d+\r*\n/, timeoutMs);
    return (match[1] as string).replaceAll('\r', '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.vm[Symbol.asyncDispose]();
  }

  #listen(): void {
    this.vm.console.on('data', (bytes: Buffer) => { this.console += bytes.toString('latin1'); });
  }
}

/** Lines of a kernel's log on the console, of which boots here have more than this. */
const BOOT_LINES = 280;
const LONGEST_PAUSE_MS = 300;

/** Puts a booting guest away `times` times, at moments that `next` (below a limit) chooses. */
export async function travelWhileBooting(
  traveller: Traveller, times: number, next: (limit: number) => number, timeoutMs: number,
): Promise<void> {
  const moments = Array.from({ length: times }, () => next(BOOT_LINES)).sort((a, b) => a - b);
  for (const lines of moments) {
    const deadline = performance.now() + timeoutMs;
    while (traveller.console.split('\n').length < lines) {
      if (performance.now() > deadline) throw new Error(`no line ${lines} in:\n${traveller.console.slice(-3000)}`);
      await setTimeout(STEP_MS);
    }
    await setTimeout(next(LONGEST_PAUSE_MS));
    await traveller.travel();
  }
}
