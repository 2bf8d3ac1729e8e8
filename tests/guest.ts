/**
 * A guest under test: `bin/partout boot` in a process of its own, its serial console typed on and read from the
 * outside, as a user would.
 */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const PARTOUT = fileURLToPath(new URL('../../bin/partout', import.meta.url));

/** The prompt of a root shell, at the start of a line. More may follow it: the kernel speaks whenever it likes. */
const PROMPT = /(?:^|\n)(?:~|\/\S*|\S+@\S+) ?# /;

/** Carriage returns, and what a line editor tells a terminal [ECMA-48, 5.4]. */
const ESCAPE = '\x1b';
const CONTROL = new RegExp(`\\r|${ESCAPE}\\[[?0-9;]*[A-Za-z]`, 'g');

export interface GuestImage {
  readonly kernel: string;
  readonly initrd: string;
  /** Of the recipe debian: what children and copies are made of. */
  readonly disk?: string;
  readonly commandLine: string;
  readonly minimumMemoryMiB: number;
  readonly suite: string;
  readonly kernelVersion: string;
}

/** An image of partout's own, built if it is not there. */
export function guestImage(
  recipe: 'tiny' | 'debian' | 'debian-initramfs', suite?: string, packages: readonly string[] = [],
): GuestImage {
  const words = [
    'image', 'build', recipe, '--json', ...(suite === undefined ? [] : ['--suite', suite]),
    ...packages.flatMap((name) => ['--package', name]),
  ];
  const { status, stdout, stderr } = spawnSync(PARTOUT, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`partout ${words.join(' ')} ended with ${status}:\n${stderr}`);
  return JSON.parse(stdout) as GuestImage;
}

/** The tiny image, or why there is none here. Continuous integration takes no excuse. */
export function tinyImageOrReason(suite?: string): { readonly image: GuestImage; readonly skip: string | false } {
  try {
    return { image: guestImage('tiny', suite), skip: false };
  } catch (error) {
    if (process.env['CI'] !== undefined) throw error;
    // Every test that looks at the image is skipped when there is none.
    return { image: {} as GuestImage, skip: `no Debian kernel can be had here: ${(error as Error).message}` };
  }
}

export interface GuestOptions {
  /** Unless it goes on from a saved state. */
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  /** More words for `partout boot`. */
  readonly words?: readonly string[];
  /** Its standard input and output are a terminal, made by script(1). */
  readonly terminal?: boolean;
}

/** A word for the shell. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

export class Guest implements AsyncDisposable {
  readonly process: ChildProcess;
  /** The exit status; 128 and more for a signal that nobody caught. */
  readonly exited: Promise<number>;
  #console = '';
  #errors = '';
  #read = 0;
  #changed: () => void = () => {};

  /** Goes on from a saved state. */
  static restored(file: string, words: readonly string[] = []): Guest {
    return new Guest({ words: ['--restore', file, ...words] });
  }

  constructor(options: GuestOptions) {
    const words = ['boot'];
    if (options.kernel !== undefined) words.push('--kernel', options.kernel);
    if (options.initrd !== undefined) words.push('--initrd', options.initrd);
    if (options.append !== undefined) words.push('--append', options.append);
    words.push(...options.words ?? []);
    this.process = options.terminal === true
      ? spawn('script', ['-qefc', [PARTOUT, ...words].map(quoted).join(' '), '/dev/null'], { stdio: 'pipe' })
      : spawn(PARTOUT, words, { stdio: 'pipe' });
    this.process.stdout?.on('data', (bytes: Buffer) => {
      this.#console += bytes.toString('latin1');
      this.#changed();
    });
    this.process.stderr?.on('data', (bytes: Buffer) => { this.#errors += bytes.toString(); });
    // A guest that has ended takes no input; its exit status tells.
    this.process.stdin?.on('error', () => {});
    this.exited = new Promise((resolve) => {
      this.process.on('close', (status, signal) => {
        resolve(status ?? (signal === 'SIGKILL' ? 137 : 128));
        this.#changed();
      });
    });
  }

  /** Everything that the guest has written to its console. */
  get console(): string {
    return this.#console;
  }

  /** Everything on standard error. */
  get errors(): string {
    return this.#errors;
  }

  type(text: string): void {
    this.process.stdin?.write(text);
  }

  /** Waits until the console, after what earlier calls have matched, shows `pattern`. */
  async expect(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.#console.slice(this.#read));
      if (match !== null) {
        this.#read += match.index + match[0].length;
        return match;
      }
      const left = deadline - performance.now();
      if (left <= 0 || this.process.exitCode !== null) throw new Error(this.#account(pattern));
      await this.#change(left);
    }
  }

  /** Waits for the shell. */
  async prompt(timeoutMs: number): Promise<void> {
    await this.expect(PROMPT, timeoutMs);
  }

  /** Runs a command in the guest's shell; its output and exit status. */
  async run(command: string, timeoutMs: number): Promise<{ output: string; status: number }> {
    this.type(`echo "be"gun; ${command}; echo "ended:"$?\n`);
    // What was typed is echoed first, however the terminal breaks it into lines.
    await this.expect(/begun\r*\n/, timeoutMs);
    const start = this.#read;
    const match = await this.expect(/ended:(\d+)\r*\n/, timeoutMs);
    const output = this.#console.slice(start, this.#read - match[0].length).replaceAll(CONTROL, '');
    await this.prompt(timeoutMs);
    return { output, status: Number(match[1]) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.process.exitCode === null) this.process.kill('SIGKILL');
    await this.exited;
  }

  async #change(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#changed = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #account(pattern: RegExp): string {
    const tail = this.#console.slice(-3000);
    const status = this.process.exitCode === null ? 'it still runs' : `exit status ${this.process.exitCode}`;
    return `the console did not show ${pattern}; ${status}; it ends with:\n${tail}\n${this.#errors}`;
  }
}
