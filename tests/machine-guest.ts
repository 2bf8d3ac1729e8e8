/**
 * A guest under test in this process, as a program that uses the library runs it: what the host sees and does is at
 * hand, and the serial console is typed on and read.
 */

import { Machine } from '../src/machine/machine.ts';
import type { MachineDescription, MachineEnd, MachinePorts, RestoreRequest } from '../src/machine/description.ts';

const MEMORY_BYTES = 512 * 2 ** 20;
const STOP_MS = 5000;
const PROMPT = /\/ ?# /;

export class MachineGuest implements AsyncDisposable {
  readonly machine: Machine;
  /** How the run ended by itself. */
  readonly ended: Promise<MachineEnd>;
  readonly #console: ConsoleText;

  private constructor(machine: Machine, text: ConsoleText) {
    this.machine = machine;
    this.#console = text;
    this.ended = machine.start();
  }

  static async start(
    description: Pick<MachineDescription, 'kernel' | 'initrd' | 'commandLine'> & Partial<MachineDescription>,
    ports: Omit<MachinePorts, 'console'> = {},
  ): Promise<MachineGuest> {
    const text = new ConsoleText();
    const machine = await Machine.create(
      { memoryBytes: MEMORY_BYTES, processors: 1, rebootInPlace: false, debugExit: false, ...description },
      { ...ports, console: { output: (bytes) => text.add(bytes) } },
    );
    return new MachineGuest(machine, text);
  }

  /** Everything that the guest has written to its console. */
  get console(): string {
    return this.#console.all;
  }

  /** Goes on from a saved state. */
  static async restore(request: RestoreRequest, ports: Omit<MachinePorts, 'console'> = {}): Promise<MachineGuest> {
    const text = new ConsoleText();
    const machine = await Machine.restore(request, { ...ports, console: { output: (bytes) => text.add(bytes) } });
    return new MachineGuest(machine, text);
  }

  type(text: string): void {
    void this.machine.input(Buffer.from(text));
  }

  /** Waits until the console, after what earlier calls have matched, shows `pattern`. */
  expect(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    return this.#console.expect(pattern, timeoutMs);
  }

  async prompt(timeoutMs: number): Promise<void> {
    await this.expect(PROMPT, timeoutMs);
  }

  /** Runs a command in the guest's shell and returns its output. */
  async run(command: string, timeoutMs: number): Promise<string> {
    this.type(`echo "begins:"; ${command}; echo "ended:"$?\n`);
    const match = await this.expect(/begins:\r*\n([^]*?)ended:(\d+)\r*\n/, timeoutMs);
    await this.prompt(timeoutMs);
    return (match[1] as string).replaceAll('\r', '');
  }

  /** Waits until `holds`. */
  async until(what: string, holds: () => boolean, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!holds()) {
      if (performance.now() > deadline) throw new Error(`in vain: ${what}; ${JSON.stringify(this.machine.inspect())}`);
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.machine.stop(STOP_MS);
  }
}

/** What a console has written, with a place up to which it was read. */
class ConsoleText {
  #text = '';
  #read = 0;
  #changed: () => void = () => {};

  get all(): string {
    return this.#text;
  }

  add(bytes: Uint8Array): void {
    this.#text += Buffer.from(bytes).toString('latin1');
    this.#changed();
  }

  async expect(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.#text.slice(this.#read));
      if (match !== null) {
        this.#read += match.index + match[0].length;
        return match;
      }
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`the console did not show ${pattern}; it ends with:\n${this.#text.slice(-3000)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
