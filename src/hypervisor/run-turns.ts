/**
 * Turns of a partition's processors on the host's cores, where there are more processors than cores: a processor runs
 * guest code only while it holds one of so many turns, and they are given in the order in which they were asked for. So
 * whoever waits for another processor inside the engine waits for one that really runs, a processor that spins for a
 * lock can make way for the one that has it, and each gets its share. No turns are needed when every processor can have
 * a core of its own.
 *
 * A turn is a ticket: ticket n may run once more than n turns have been granted. Whoever waits sleeps on a word that
 * its ticket chooses; waiting tickets are consecutive and never more than there are words.
 */
import type { ControlBuffer } from './control-buffer.ts';
import { MAX_PROCESSORS, PartitionControl, TURNS_OFFSET } from './partition-layout.ts';
import type { ReferenceTime } from './reference-time.ts';

const LIMIT = PartitionControl.turnLimit.offset >> 2;
const TICKETS = PartitionControl.turnTickets.offset >> 2;
const GRANTED = PartitionControl.turnsGranted.offset >> 2;

/** How long a processor keeps its turn while others want one. */
const TURN_NS = 1_000_000;

export class RunTurns {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #limited: boolean;
  readonly #time: Pick<ReferenceTime, 'nowNs'>;
  #held = false;
  #startedNs = 0;

  /** One processor's hold on the turns. */
  constructor({ control, time }: { control: ControlBuffer; time: Pick<ReferenceTime, 'nowNs'> }) {
    this.#words = control.words;
    this.#limited = control.words[LIMIT] !== 0;
    this.#time = time;
  }

  /** Somebody waits for a turn. */
  get wanted(): boolean {
    if (!this.#limited) return false;
    return ((Atomics.load(this.#words, TICKETS) - Atomics.load(this.#words, GRANTED)) | 0) > 0;
  }

  /** Waits for a turn, unless this processor has one. True when it had not. */
  take(): boolean {
    if (!this.#limited || this.#held) return false;
    const words = this.#words;
    const ticket = Atomics.add(words, TICKETS, 1);
    const at = wordOf(ticket);
    for (;;) {
      const seen = Atomics.load(words, at);
      if (((Atomics.load(words, GRANTED) - ticket) | 0) > 0) break;
      Atomics.wait(words, at, seen);
    }
    this.#held = true;
    this.#startedNs = this.#time.nowNs();
    return true;
  }

  /**
   * Behind a slice: the turn goes to whoever waits for one when it has lasted long enough, or when the guest itself
   * only waits. True when it waits and nobody wants its turn.
   */
  share(guestWaits: boolean): boolean {
    if (!this.wanted) return guestWaits;
    if (guestWaits || this.#time.nowNs() - this.#startedNs >= TURN_NS) this.giveUp();
    return false;
  }

  /** Gives the turn to whoever waits longest. */
  giveUp(): void {
    if (!this.#held) return;
    this.#held = false;
    const at = wordOf(Atomics.add(this.#words, GRANTED, 1));
    Atomics.add(this.#words, at, 1);
    Atomics.notify(this.#words, at, 1);
  }
}

function wordOf(ticket: number): number {
  return (TURNS_OFFSET >> 2) + (ticket & (MAX_PROCESSORS - 1));
}

/** Says how many processors may run at once; before any of them does. 0: all. */
export function limitTurns(control: ControlBuffer, limit: number): void {
  control.words[LIMIT] = limit;
  control.words[TICKETS] = 0;
  control.words[GRANTED] = limit;
}
