/**
 * The 8254 interval timer with the PC's system control port 0x61 [Intel 8254 data sheet]. Channel 0 interrupts, channel
 * 2 can be gated and watched through port 0x61, channel 1 counts for nobody. Counting in BCD is not done: nothing
 * uses it.
 */
import { SharedLock } from '../../hypervisor/shared-lock.ts';
import type { Clock } from '../../kit/clock.ts';
import { Doorbell } from '../doorbell.ts';
import type { PortDevice } from '../io-bus.ts';
import { countAfter, modeOf, nextRise, outputAfter, PIT_HZ, risesAfter } from './counter.ts';

const CHANNELS = 3;
const CONTROL_OFFSET = 3;
const READ_BACK = 3;
/** Bits 5:4 of the control word: which bytes are read and written; 0 latches the count. */
const Access = { Latch: 0, Low: 1, High: 2, Both: 3 } as const;
/** The status byte's bits 7 and 6. */
const STATUS_OUTPUT = 0x80;
const STATUS_NULL_COUNT = 0x40;
const READ_BACK_NO_COUNT = 0x20;
const READ_BACK_NO_STATUS = 0x10;
const SystemControl = { Gate2: 0x01, Speaker: 0x02, Refresh: 0x10, Output2: 0x20, Writable: 0x0f } as const;
/** The refresh bit turns over with each memory refresh. */
const REFRESH_NS = 15_085;
/** Values of a latch word that hold nothing. */
const EMPTY = -1;

/** Words of the shared region, guarded by the lock but for the doorbell; then the time that each channel was loaded. */
const Word = { Lock: 0, Doorbell: 1, SystemControl: 2, Rises: 3, Channels: 4, Count: 4 + CHANNELS * 8 } as const;
/** Words of each channel. A period of 0 is a counter that has not been loaded. */
const Channel = {
  Control: 0, Period: 1, LatchedCount: 2, LatchedStatus: 3, HighNext: 4, LowWritten: 5, Count: 8,
} as const;

export interface PitState {
  readonly version: 1;
  /** The words from SystemControl on. */
  readonly words: readonly number[];
  /** Nanoseconds since each channel was loaded. */
  readonly ages: readonly number[];
}

export interface PitOptions {
  readonly shared: SharedArrayBuffer;
  readonly byteOffset: number;
  readonly clock: Clock;
  readonly setLine: (level: boolean) => void;
}

export class IntervalTimer implements PortDevice {
  static readonly sharedBytes: number = Word.Count * 4 + CHANNELS * 8;
  readonly byteWide = true;
  /** Rung when channel 0 is loaded. */
  readonly doorbell: Doorbell;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #loadedNs: Float64Array;
  readonly #lock: SharedLock;
  readonly #clock: Clock;
  readonly #setLine: (level: boolean) => void;

  constructor(options: PitOptions) {
    const { shared, byteOffset } = options;
    this.#words = new Int32Array(shared, byteOffset, Word.Count);
    this.#loadedNs = new Float64Array(shared, byteOffset + Word.Count * 4, CHANNELS);
    this.#lock = new SharedLock(this.#words, Word.Lock);
    this.doorbell = new Doorbell(this.#words, Word.Doorbell);
    this.#clock = options.clock;
    this.#setLine = options.setLine;
  }

  reset(): void {
    this.#lock.acquire();
    this.#words.fill(0, Word.SystemControl);
    for (let channel = 0; channel < CHANNELS; channel++) this.#clearLatches(channel);
    this.#lock.release();
    this.doorbell.ring();
  }

  portRead(port: number, _size: number): number {
    const channel = port & 3;
    if (channel === CONTROL_OFFSET) return 0xff;
    this.#lock.acquire();
    const value = this.#read(channel);
    this.#lock.release();
    return value;
  }

  portWrite(port: number, _size: number, value: number): void {
    this.#lock.acquire();
    if ((port & 3) === CONTROL_OFFSET) this.#writeControl(value);
    else this.#writeCount(port & 3, value);
    this.#lock.release();
  }

  /** Port 0x61: gate and output of channel 2, and the refresh bit by which old programs measure time. */
  readonly systemControl: PortDevice = {
    byteWide: true,
    portRead: () => {
      const refresh = Math.floor(this.#clock.nowNs() / REFRESH_NS) % 2 === 1 ? SystemControl.Refresh : 0;
      return this.#word(Word.SystemControl) | refresh | (this.#output(2) ? SystemControl.Output2 : 0);
    },
    portWrite: (_port, _size, value) => {
      this.#lock.acquire();
      const opened = value & ~this.#word(Word.SystemControl) & SystemControl.Gate2;
      this.#words[Word.SystemControl] = value & SystemControl.Writable;
      if (opened !== 0) this.#loadedNs[2] = this.#clock.nowNs();
      this.#lock.release();
    },
  };

  /** Raises channel 0's interrupt if it is due, once however often it was; see `TimedDevice`. */
  tick(): number {
    this.#lock.acquire();
    const period = this.#channel(0, Channel.Period);
    if (period === 0) {
      this.#lock.release();
      return -1;
    }
    const mode = modeOf(this.#channel(0, Channel.Control));
    const ticks = this.#ticks(0);
    const rises = risesAfter(mode, period, ticks);
    if (rises !== this.#word(Word.Rises)) {
      this.#words[Word.Rises] = rises;
      this.#setLine(true);
      this.#setLine(false);
    }
    this.#lock.release();
    const wait = nextRise(mode, period, ticks) - ticks;
    return Number.isFinite(wait) ? Math.max(1, Math.ceil((wait * 1000) / PIT_HZ)) : -1;
  }

  saveState(): PitState {
    this.#lock.acquire();
    const now = this.#clock.nowNs();
    const ages = [...this.#loadedNs].map((loaded) => now - loaded);
    const state: PitState = { version: 1, words: [...this.#words.subarray(Word.SystemControl)], ages };
    this.#lock.release();
    return state;
  }

  restoreState(state: PitState): void {
    this.#lock.acquire();
    const now = this.#clock.nowNs();
    this.#words.set(state.words, Word.SystemControl);
    this.#loadedNs.set(state.ages.map((age) => now - age));
    this.#lock.release();
    this.doorbell.ring();
  }

  #writeControl(value: number): void {
    const channel = value >> 6;
    if (channel === READ_BACK) {
      for (let index = 0; index < CHANNELS; index++) {
        if ((value & (2 << index)) === 0) continue;
        if ((value & READ_BACK_NO_COUNT) === 0) this.#latchCount(index);
        if ((value & READ_BACK_NO_STATUS) === 0) this.#latchStatus(index);
      }
    } else if (((value >> 4) & 3) === Access.Latch) {
      this.#latchCount(channel);
    } else {
      this.#set(channel, Channel.Control, value & 0x3f);
      this.#set(channel, Channel.Period, 0);
      this.#clearLatches(channel);
      if (channel === 0) this.doorbell.ring();
    }
  }

  #writeCount(channel: number, value: number): void {
    const access = this.#access(channel);
    if (access === Access.Both && this.#channel(channel, Channel.HighNext) === 0) {
      this.#set(channel, Channel.LowWritten, value);
      this.#set(channel, Channel.HighNext, 1);
      return;
    }
    const low = access === Access.Both ? this.#channel(channel, Channel.LowWritten) : 0;
    this.#set(channel, Channel.HighNext, 0);
    const count = access === Access.Low ? value : low | (value << 8);
    this.#set(channel, Channel.Period, count === 0 ? 0x1_0000 : count);
    this.#loadedNs[channel] = this.#clock.nowNs();
    if (channel !== 0) return;
    this.#words[Word.Rises] = 0;
    this.doorbell.ring();
  }

  #read(channel: number): number {
    const status = this.#channel(channel, Channel.LatchedStatus);
    if (status !== EMPTY) {
      this.#set(channel, Channel.LatchedStatus, EMPTY);
      return status;
    }
    const latched = this.#channel(channel, Channel.LatchedCount);
    const count = latched === EMPTY ? this.#count(channel) : latched;
    const access = this.#access(channel);
    const isSecond = access === Access.Both && this.#channel(channel, Channel.HighNext) === 1;
    const readsHigh = access === Access.High || isSecond;
    if (access === Access.Both) this.#set(channel, Channel.HighNext, readsHigh ? 0 : 1);
    if (access !== Access.Both || readsHigh) this.#set(channel, Channel.LatchedCount, EMPTY);
    return readsHigh ? count >> 8 : count & 0xff;
  }

  #latchCount(channel: number): void {
    if (this.#channel(channel, Channel.LatchedCount) === EMPTY) {
      this.#set(channel, Channel.LatchedCount, this.#count(channel));
    }
  }

  #latchStatus(channel: number): void {
    const output = this.#output(channel) ? STATUS_OUTPUT : 0;
    const isNull = this.#channel(channel, Channel.Period) === 0 ? STATUS_NULL_COUNT : 0;
    this.#set(channel, Channel.LatchedStatus, output | isNull | this.#channel(channel, Channel.Control));
  }

  #clearLatches(channel: number): void {
    this.#set(channel, Channel.LatchedCount, EMPTY);
    this.#set(channel, Channel.LatchedStatus, EMPTY);
    this.#set(channel, Channel.HighNext, 0);
  }

  #count(channel: number): number {
    const period = this.#channel(channel, Channel.Period);
    const mode = modeOf(this.#channel(channel, Channel.Control));
    return period === 0 ? 0 : countAfter(mode, period, this.#ticks(channel));
  }

  /** An unloaded counter puts out a high level, but in mode 0. */
  #output(channel: number): boolean {
    const mode = modeOf(this.#channel(channel, Channel.Control));
    const period = this.#channel(channel, Channel.Period);
    return period === 0 ? mode !== 0 : outputAfter(mode, period, this.#ticks(channel));
  }

  /** A closed gate holds channel 2 where it was loaded. */
  #ticks(channel: number): number {
    if (channel === 2 && (this.#word(Word.SystemControl) & SystemControl.Gate2) === 0) return 0;
    return Math.floor(((this.#clock.nowNs() - (this.#loadedNs[channel] as number)) * PIT_HZ) / 1e9);
  }

  #access(channel: number): number {
    return (this.#channel(channel, Channel.Control) >> 4) & 3;
  }

  #channel(channel: number, word: number): number {
    return this.#word(Word.Channels + channel * Channel.Count + word);
  }

  #set(channel: number, word: number, value: number): void {
    this.#words[Word.Channels + channel * Channel.Count + word] = value;
  }

  #word(index: number): number {
    return this.#words[index] as number;
  }
}
