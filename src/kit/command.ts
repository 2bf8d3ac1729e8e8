/**
 * Runs a program of the host and waits for it: no shell, no terminal, output collected up to a limit. The program is
 * ended when the caller's signal says so.
 */

import { spawn } from 'node:child_process';
import { OperatingError, systemError } from './errors.ts';

const MAX_OUTPUT_BYTES = 64 * 2 ** 20;

export interface CommandOptions {
  readonly directory?: string;
  /** The whole environment of the program. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  /** Called with each whole line of standard output as it comes. */
  readonly onLine?: ((line: string) => void) | undefined;
}

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Resolves however the program ends; throws an OperatingError only when it cannot be run, or was aborted. */
export async function runCommand(
  program: string, parameters: readonly string[], options: CommandOptions = {},
): Promise<CommandResult> {
  const child = spawn(program, parameters, {
    cwd: options.directory,
    env: options.environment ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: options.signal,
  });
  const stdout = new Collected(options.onLine);
  const stderr = new Collected();
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  const status = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  }).catch((error: unknown) => {
    if (options.signal?.aborted === true) throw new OperatingError('host', `${program} was interrupted`);
    throw systemError(`run ${program}`, error);
  });
  return { status, stdout: stdout.text(), stderr: stderr.text() };
}

/** Output up to the limit; what comes after is dropped. */
class Collected {
  readonly #chunks: Buffer[] = [];
  readonly #onLine: ((line: string) => void) | undefined;
  #sizeBytes = 0;
  #partialLine = '';

  constructor(onLine?: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    if (this.#sizeBytes < MAX_OUTPUT_BYTES) this.#chunks.push(chunk);
    this.#sizeBytes += chunk.length;
    if (this.#onLine === undefined) return;
    const lines = (this.#partialLine + chunk.toString('latin1')).split('\n');
    this.#partialLine = lines.pop()!.slice(0, 4096);
    for (const line of lines) this.#onLine(line);
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}
