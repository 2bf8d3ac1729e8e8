/**
 * The guest's serial console on our standard input and output. On a terminal the input is raw, so that Ctrl-C and the
 * rest reach the guest, and Ctrl-] leaves; from a pipe or a file the bytes go in as they are, as fast as the guest
 * takes them. Output waits for whoever reads it: a slow reader slows the guest, and nothing piles up here.
 */

import type { ReadStream } from 'node:tty';
import type { Readable, Writable } from 'node:stream';
import type { RunnableMachine } from '../machine/description.ts';
import { flush } from './output.ts';

/** Ctrl-], as a terminal sends it. */
const LEAVE = 0x1d;
const NEWLINE = 0x0a;
/** A person types ahead this far while the guest takes nothing; the rest is lost, as with any terminal. */
const TYPE_AHEAD_BYTES = 65536;

export interface ConsoleStreams {
  readonly input: Readable;
  readonly output: Writable;
}

/** Why the console ended the run: the person left, or nobody reads the output any more. */
export type ConsoleEnd = 'left' | 'output-closed';

export class SerialConsole {
  /** Resolves when the console wants the run to end. */
  readonly ended: Promise<ConsoleEnd>;
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #terminal: ReadStream | undefined;
  #end: (why: ConsoleEnd) => void = () => {};
  #machine: RunnableMachine | undefined;
  #blocked = false;
  #typedAhead = 0;
  #lastByte = NEWLINE;

  constructor(streams: ConsoleStreams) {
    this.#input = streams.input;
    this.#output = streams.output;
    const terminal = streams.input as ReadStream;
    this.#terminal = terminal.isTTY ? terminal : undefined;
    this.ended = new Promise((resolve) => { this.#end = resolve; });
    this.#output.on('error', () => this.#end('output-closed'));
  }

  get isTerminal(): boolean {
    return this.#terminal !== undefined;
  }

  /** A person sees the cursor behind something that the guest wrote. */
  get isMidLine(): boolean {
    return this.isTerminal && this.#lastByte !== NEWLINE;
  }

  /** What the guest wrote; a promise while the reader is behind. */
  output(bytes: Uint8Array): Promise<void> | void {
    this.#lastByte = bytes.at(-1) ?? this.#lastByte;
    if (this.#output.destroyed || this.#output.write(bytes)) return;
    return new Promise((resolve) => {
      const done = (): void => {
        this.#output.off('drain', done).off('close', done);
        resolve();
      };
      this.#output.on('drain', done).on('close', done);
    });
  }

  /** Starts to hand what is typed to the machine. */
  attach(machine: RunnableMachine): void {
    this.#machine = machine;
    this.#terminal?.setRawMode(true);
    // A terminal or pipe that goes away is only the end of the input.
    this.#input.on('error', () => {});
    this.#input.on('data', (bytes: Uint8Array) => this.#typed(bytes));
  }

  /** Gives the terminal back and lets the last output out. */
  async close(): Promise<void> {
    this.#input.pause();
    this.#terminal?.setRawMode(false);
    await flush(this.#output);
  }

  #typed(bytes: Uint8Array): void {
    const leave = this.isTerminal ? bytes.indexOf(LEAVE) : -1;
    this.#toGuest(leave < 0 ? bytes : bytes.subarray(0, leave));
    if (leave >= 0) this.#end('left');
  }

  #toGuest(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#blocked) {
      // Only a terminal goes on reading while the guest takes nothing: Ctrl-] must work then too.
      this.#typedAhead += bytes.length;
      if (this.#typedAhead > TYPE_AHEAD_BYTES) return;
    }
    const room = this.#machine?.input(bytes);
    if (room === undefined || this.#blocked) return;
    this.#blocked = true;
    if (!this.isTerminal) this.#input.pause();
    void room.then(() => {
      this.#blocked = false;
      this.#typedAhead = 0;
      if (!this.isTerminal) this.#input.resume();
    });
  }
}
