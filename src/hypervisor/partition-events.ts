/**
 * What the processors report to the partition's owner: a small ring in the control buffer. Any processor's thread
 * posts, under the partition lock; only the owner reads, and waits on `eventsWritten`. When the owner doesn't keep up
 * (a guest that writes its crash registers in a loop) new events are dropped and counted.
 */
import type { ControlBuffer } from './control-buffer.ts';
import { EVENT_COUNT, EVENT_SIZE, EVENTS_OFFSET, PartitionControl } from './partition-layout.ts';
import { SharedLock } from './shared-lock.ts';

export const PartitionEventKind = {
  /** The guest asked for a reset; the processor that asked has stopped. */
  Reset: 1,
  /** A fault while delivering a double fault: the processor has shut down. */
  TripleFault: 2,
  /** The guest wrote its crash registers; it goes on running. */
  Crash: 3,
  /** A breakpoint or watchpoint of a debugger: the processor has stopped and waits for the owner's next command. */
  Debug: 4,
} as const;
export type PartitionEventKind = (typeof PartitionEventKind)[keyof typeof PartitionEventKind];

export interface PartitionEvent {
  readonly kind: PartitionEventKind;
  readonly processor: number;
  /** Crash: HV_X64_MSR_CRASH_P0…P4. Otherwise empty. */
  readonly crashParameters: readonly bigint[];
  /** Crash: P3 and P4 are address and length of a text in guest memory. */
  readonly crashMessage: boolean;
  /** The guest had told what it is (HV_X64_MSR_GUEST_OS_ID) when it happened. */
  readonly identified: boolean;
}

const WRITTEN = PartitionControl.eventsWritten.offset >> 2;
const READ = PartitionControl.eventsRead.offset >> 2;
const DROPPED = PartitionControl.eventsDropped.offset >> 2;
const LOCK = PartitionControl.lock.offset >> 2;

// An entry: kind, processor, crash message flag, identified, then five parameters of two words.
const PARAMETERS = 4;
const PARAMETER_WORDS = 10;

export class PartitionEvents {
  readonly #control: ControlBuffer;
  readonly #words: Int32Array;
  readonly #lock: SharedLock;

  constructor(control: ControlBuffer) {
    this.#control = control;
    this.#words = control.words;
    this.#lock = new SharedLock(control.words, LOCK);
  }

  /** Reports an event; `parametersAt` is the word where the ten words of crash parameters lie, if it is a crash. */
  post(kind: PartitionEventKind, processor: number, parametersAt = -1, message = false): void {
    const words = this.#words;
    this.#lock.acquire();
    const written = Atomics.load(words, WRITTEN);
    if (((written - Atomics.load(words, READ)) | 0) >= EVENT_COUNT) {
      words[DROPPED] = (words[DROPPED] as number) + 1;
    } else {
      const at = (EVENTS_OFFSET + (written & (EVENT_COUNT - 1)) * EVENT_SIZE) >> 2;
      words[at] = kind;
      words[at + 1] = processor;
      words[at + 2] = message ? 1 : 0;
      words[at + 3] = this.#control.isIdentified ? 1 : 0;
      for (let i = 0; i < PARAMETER_WORDS; i++) {
        words[at + PARAMETERS + i] = parametersAt < 0 ? 0 : words[parametersAt + i] as number;
      }
      Atomics.store(words, WRITTEN, (written + 1) | 0);
    }
    this.#lock.release();
    Atomics.notify(words, WRITTEN);
  }

  /** The next event, or undefined. Owner only. */
  take(): PartitionEvent | undefined {
    const words = this.#words;
    const read = Atomics.load(words, READ);
    if (read === Atomics.load(words, WRITTEN)) return undefined;
    const at = (EVENTS_OFFSET + (read & (EVENT_COUNT - 1)) * EVENT_SIZE) >> 2;
    const kind = words[at] as PartitionEventKind;
    const crashParameters: bigint[] = [];
    for (let i = 0; kind === PartitionEventKind.Crash && i < PARAMETER_WORDS; i += 2) {
      const low = BigInt((words[at + PARAMETERS + i] as number) >>> 0);
      crashParameters.push((BigInt((words[at + PARAMETERS + i + 1] as number) >>> 0) << 32n) | low);
    }
    const event = {
      kind, processor: words[at + 1] as number, crashParameters,
      crashMessage: words[at + 2] === 1, identified: words[at + 3] === 1,
    };
    Atomics.store(words, READ, (read + 1) | 0);
    return event;
  }

  /** Ends the owner's wait without an event. */
  wakeOwner(): void {
    Atomics.notify(this.#words, WRITTEN);
  }

  /** The word that changes with every event, for a waiter. */
  get writtenWord(): number {
    return WRITTEN;
  }
}
