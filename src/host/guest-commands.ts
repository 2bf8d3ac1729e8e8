/**
 * Commands that the host runs in a guest, over AF_VSOCK: Partout's images have a listener for them (guests/commands).
 * A command has two connections, its standard input and output on the one, its standard error and how it ended on the
 * other.
 */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { OperatingError, usage } from '../kit/errors.ts';

/** Where the guest takes commands. */
const COMMAND_PORT = 1000;
/** A guest that comes up is asked that often whether it takes commands yet. */
const CONNECT_MS = 500;
const AGAIN_MS = 50;
const DEFAULT_MAXIMUM_BYTES = 16 * 2 ** 20;

export interface ExecOptions {
  /** Its standard input; nothing by default. */
  readonly input?: string | Uint8Array;
  /** How long it may take, waiting for the guest included; 120,000 by default. */
  readonly deadlineMs?: number;
  /** What it may write to standard output, and to standard error; 16 MiB by default. */
  readonly maximumBytes?: number;
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  /** 128 and more for a signal, as a shell has it. */
  readonly exitCode: number;
}

export interface CommandPorts {
  /** Connects to a port of the guest; an OperatingError `guest` when nothing listens there. */
  readonly connect: (port: number, timeoutMs: number) => Promise<Duplex>;
  readonly deadlineMs: number;
}

/** @throws OperatingError when the guest takes no commands, or the command does not end in time. */
export async function execInGuest(
  words: readonly string[], { input = '', maximumBytes = DEFAULT_MAXIMUM_BYTES }: ExecOptions,
  { connect, deadlineMs }: CommandPorts,
): Promise<ExecResult> {
  const line = quoted(words);
  const deadline = AbortSignal.timeout(deadlineMs);
  const id = randomBytes(8).toString('hex');
  const streams: Duplex[] = [];
  const opened = async (): Promise<Duplex> => {
    const stream = await connected(connect, deadline, deadlineMs);
    streams.push(stream);
    return stream;
  };
  try {
    const output = await opened();
    output.write(`run ${id}\n${line}\n`);
    output.end(input);
    const errors = await opened();
    errors.end(`errors ${id}\n`);
    const late = new Promise<never>((_, reject) => {
      deadline.addEventListener('abort', () => reject(new OperatingError('guest',
        `${words[0]} has not ended within ${deadlineMs / 1000} s: give it longer`)));
    });
    const all = Promise.all([allOf(output, maximumBytes), allOf(errors, maximumBytes)]);
    const [stdout, told] = await Promise.race([all, late]);
    const end = told.lastIndexOf(0);
    if (end < 0) throw new OperatingError('guest', `${words[0]} ended with the guest: nothing is known of its end`);
    const exitCode = Number(told.toString('utf8', end + 1));
    return { stdout: stdout.toString(), stderr: told.toString('utf8', 0, end), exitCode };
  } finally {
    for (const stream of streams) stream.destroy();
  }
}

/** As a shell reads it, in one line. */
function quoted(words: readonly string[]): string {
  if (words.length === 0 || words[0] === '') throw usage('a command has a name: ["uname", "-a"]');
  if (words.some((word) => word.includes('\0'))) throw usage('the words of a command hold no NUL');
  return words.map((word) => `'${word.replaceAll("'", `'\\''`).replaceAll('\n', `'"$n"'`)}'`).join(' ');
}

async function connected(
  connect: CommandPorts['connect'], deadline: AbortSignal, deadlineMs: number,
): Promise<Duplex> {
  for (;;) {
    try {
      return await connect(COMMAND_PORT, CONNECT_MS);
    } catch (error) {
      if (!(error instanceof OperatingError) || error.code !== 'guest') throw error;
      if (deadline.aborted) {
        throw new OperatingError('guest', `the guest has taken no commands within ${deadlineMs / 1000} s: ` +
          "it has to run an image of Partout's, or guests/commands", { cause: error });
      }
      await wait(AGAIN_MS);
    }
  }
}

async function allOf(stream: Duplex, maximumBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stream as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maximumBytes) {
      throw new OperatingError('guest', `the command writes more than ${maximumBytes} bytes: have it write to a file`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}
