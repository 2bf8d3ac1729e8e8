/**
 * How the partition's owner commands a processor's thread. The owner writes a command with a sequence number into the
 * processor's `request` word and wakes it; the processor carries it out between two slices of guest code and copies
 * the request to `answer`. One command at a time a processor; architectural state crosses in the mailbox.
 */
import { deserialize, serialize } from 'node:v8';
import type { ControlBuffer } from './control-buffer.ts';
import type { ProcessorState } from './engine-port.ts';
import { MAILBOX_SIZE, VpControl } from './partition-layout.ts';

export const ProcessorCommand = {
  None: 0,
  /** Run guest code. */
  Run: 1,
  /** Stop running guest code, and wait for the next command. */
  Pause: 2,
  /** Put the engine's state into the mailbox. Only while paused. */
  Capture: 3,
  /** Take the engine's state from the mailbox. Only while paused. */
  Load: 4,
  /** Bring the engine to its state after RESET. Only while paused. */
  Reset: 5,
  /** End the thread's loop. */
  Stop: 6,
  /** Execute one instruction, for a debugger. Only while paused; a processor that is halted stays so. */
  Step: 7,
} as const;
export type ProcessorCommand = (typeof ProcessorCommand)[keyof typeof ProcessorCommand];

const REQUEST = VpControl.request.offset >> 2;
const ANSWER = VpControl.answer.offset >> 2;
const MAILBOX_LENGTH = VpControl.mailboxLength.offset >> 2;

const COMMAND_MASK = 0xff;

/** Both ends of one processor's request words. */
export class ProcessorRequests {
  readonly #control: ControlBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #index: number;
  readonly #at: number;

  constructor(options: { control: ControlBuffer; index: number }) {
    this.#control = options.control;
    this.#words = options.control.words;
    this.#index = options.index;
    this.#at = options.control.vpControlWord(options.index);
  }

  /** Owner: gives a command; returns the request to wait for. The caller wakes the processor afterwards. */
  give(command: ProcessorCommand): number {
    const last = Atomics.load(this.#words, this.#at + REQUEST);
    const request = ((last & ~COMMAND_MASK) + COMMAND_MASK + 1) | command;
    Atomics.store(this.#words, this.#at + REQUEST, request);
    Atomics.notify(this.#words, this.#at + REQUEST);
    return request | 0;
  }

  /** The request that was answered last. */
  get answered(): number {
    return Atomics.load(this.#words, this.#at + ANSWER);
  }

  /** The word in which the answer appears, to wait on. */
  get answerWord(): number {
    return this.#at + ANSWER;
  }

  /** Processor: the latest request, answered or not. */
  get latest(): number {
    return Atomics.load(this.#words, this.#at + REQUEST);
  }

  commandOf(request: number): ProcessorCommand {
    return (request & COMMAND_MASK) as ProcessorCommand;
  }

  /** Processor: says that `request` is carried out. */
  answer(request: number): void {
    Atomics.store(this.#words, this.#at + ANSWER, request);
    Atomics.notify(this.#words, this.#at + ANSWER);
  }

  /** Processor: sleeps until there is another request than `request`. */
  waitForOther(request: number): void {
    Atomics.wait(this.#words, this.#at + REQUEST, request);
  }

  putState(state: ProcessorState): void {
    const bytes = serialize(state);
    if (bytes.length > MAILBOX_SIZE) {
      throw new Error(`a processor's state takes ${bytes.length} bytes, its mailbox holds ${MAILBOX_SIZE}`);
    }
    this.#control.mailbox(this.#index).set(bytes);
    this.#words[this.#at + MAILBOX_LENGTH] = bytes.length;
  }

  takeState(): ProcessorState {
    const length = this.#words[this.#at + MAILBOX_LENGTH] as number;
    return deserialize(this.#control.mailbox(this.#index).slice(0, length)) as ProcessorState;
  }
}
