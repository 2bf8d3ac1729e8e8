/**
 * The real-time clock and its CMOS memory at ports 0x70 and 0x71 [Motorola MC146818A data sheet]. Time is the host's
 * UTC plus an offset that setting the clock changes. The time registers are computed when they are read, so an update
 * is never in progress: register A's UIP bit stays clear.
 *
 * Interrupts (update-ended, alarm, periodic) come from `tick`, which `DeviceTimers` calls.
 */
import type { Clock } from '../../kit/clock.ts';
import { Doorbell } from '../doorbell.ts';
import type { PortDevice } from '../io-bus.ts';
import { SharedLock } from '../../hypervisor/shared-lock.ts';
import { decodeTime, encodeTime, HOURS_24, TIME_REGISTERS, TimeRegister } from './calendar.ts';

const Register = { AlarmSecond: 1, AlarmMinute: 3, AlarmHour: 5, A: 10, B: 11, C: 12, D: 13 } as const;
/** Interrupt flags in register C, which are enabled by the same bits of register B. */
const Flag = { Update: 0x10, Alarm: 0x20, Periodic: 0x40, Any: 0x80 } as const;
const FLAGS = Flag.Update | Flag.Alarm | Flag.Periodic;
/** Register B: the time stands still while it is being set. */
const SET = 0x80;
const DIVIDER_32768_HZ = 0x20;
const RATE_1024_HZ = 0x06;
const MEMORY_IS_VALID = 0x80;
/** An alarm register with both upper bits set matches everything. */
const ALARM_ANY = 0xc0;
const CMOS_BYTES = 128;
const DAY_SECONDS = 86_400;

/** Words of the shared region; the lock guards them all but the doorbell. Three doubles and the CMOS bytes follow. */
const Word = { Lock: 0, Doorbell: 1, Index: 2, Line: 3, Count: 4 } as const;
/** Milliseconds from the host's clock to ours; when update and alarm, and when periodic flags were last looked at. */
const Time = { OffsetMs: 0, LookedMs: 1, PeriodicMs: 2, Count: 3 } as const;
const TIMES_OFFSET = Word.Count * 4;
const CMOS_OFFSET = TIMES_OFFSET + Time.Count * 8;

export interface RtcState {
  readonly version: 1;
  readonly index: number;
  readonly line: boolean;
  readonly offsetMs: number;
  readonly cmos: Uint8Array;
}

export interface RtcOptions {
  readonly shared: SharedArrayBuffer;
  readonly byteOffset: number;
  readonly clock: Clock;
  readonly setLine: (level: boolean) => void;
}

export class RealTimeClock implements PortDevice {
  static readonly sharedBytes: number = CMOS_OFFSET + CMOS_BYTES;
  readonly byteWide = true;
  /** Rung when the guest changes what interrupts it wants. */
  readonly doorbell: Doorbell;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #times: Float64Array;
  readonly #cmos: Uint8Array;
  readonly #lock: SharedLock;
  readonly #clock: Clock;
  readonly #setLine: (level: boolean) => void;

  constructor(options: RtcOptions) {
    const { shared, byteOffset } = options;
    this.#words = new Int32Array(shared, byteOffset, Word.Count);
    this.#times = new Float64Array(shared, byteOffset + TIMES_OFFSET, Time.Count);
    this.#cmos = new Uint8Array(shared, byteOffset + CMOS_OFFSET, CMOS_BYTES);
    this.#lock = new SharedLock(this.#words, Word.Lock);
    this.doorbell = new Doorbell(this.#words, Word.Doorbell);
    this.#clock = options.clock;
    this.#setLine = options.setLine;
  }

  /** Interrupts off, as after RESET; time and CMOS memory live on a battery. */
  reset(): void {
    this.#lock.acquire();
    this.#words[Word.Index] = 0;
    this.#cmos[Register.A] = DIVIDER_32768_HZ | RATE_1024_HZ;
    this.#cmos[Register.B] = HOURS_24;
    this.#cmos[Register.C] = 0;
    this.#times.fill(this.#nowMs(), Time.LookedMs);
    this.#updateLine();
    this.#lock.release();
  }

  portRead(port: number, _size: number): number {
    if ((port & 1) === 0) return 0xff;
    this.#lock.acquire();
    const value = this.#read(this.#words[Word.Index] as number);
    this.#lock.release();
    return value;
  }

  portWrite(port: number, _size: number, value: number): void {
    this.#lock.acquire();
    // Bit 7 of the index masks NMIs on a PC; none come this way.
    if ((port & 1) === 0) this.#words[Word.Index] = value & (CMOS_BYTES - 1);
    else this.#write(this.#words[Word.Index] as number, value & 0xff);
    this.#lock.release();
  }

  /** See `TimedDevice`. */
  tick(): number {
    this.#lock.acquire();
    this.#look();
    this.#updateLine();
    const enabled = this.#register(Register.B) & FLAGS;
    const now = this.#nowMs();
    const toSecond = (enabled & (Flag.Update | Flag.Alarm)) !== 0 ? 1000 - (now % 1000) : Infinity;
    const toPeriod = (enabled & Flag.Periodic) !== 0 ? this.#time(Time.PeriodicMs) + this.#periodMs() - now : Infinity;
    this.#lock.release();
    const next = Math.min(toSecond, toPeriod);
    return Number.isFinite(next) ? Math.max(1, Math.ceil(next)) : -1;
  }

  saveState(): RtcState {
    this.#lock.acquire();
    const state: RtcState = {
      version: 1, index: this.#words[Word.Index] as number, line: this.#words[Word.Line] !== 0,
      offsetMs: this.#time(Time.OffsetMs), cmos: this.#cmos.slice(),
    };
    this.#lock.release();
    return state;
  }

  restoreState(state: RtcState): void {
    this.#lock.acquire();
    this.#words[Word.Index] = state.index & (CMOS_BYTES - 1);
    this.#words[Word.Line] = state.line ? 1 : 0;
    this.#times[Time.OffsetMs] = state.offsetMs;
    this.#cmos.set(state.cmos.subarray(0, CMOS_BYTES));
    this.#times.fill(this.#nowMs(), Time.LookedMs);
    this.#lock.release();
    this.doorbell.ring();
  }

  #read(index: number): number {
    if (TIME_REGISTERS.includes(index)) return this.#readTime(index);
    if (index === Register.D) return MEMORY_IS_VALID;
    if (index !== Register.C) return this.#register(index);
    this.#look();
    const flags = this.#flags();
    this.#cmos[Register.C] = 0;
    this.#updateLine();
    return flags;
  }

  #write(index: number, value: number): void {
    if (index === Register.C || index === Register.D) return;
    if (TIME_REGISTERS.includes(index)) {
      this.#writeTime(index, value);
      return;
    }
    this.#look();
    const before = this.#register(Register.B);
    if (index === Register.B && (value & ~before & SET) !== 0) this.#freezeTime();
    this.#cmos[index] = index === Register.A ? value & 0x7f : value;
    if (index === Register.B && (before & ~value & SET) !== 0) this.#thawTime(before);
    this.#updateLine();
    if (index <= Register.B) this.doorbell.ring();
  }

  #readTime(index: number): number {
    const registerB = this.#register(Register.B);
    return (registerB & SET) !== 0 ? this.#register(index) : encodeTime(index, this.#nowMs(), registerB);
  }

  #writeTime(index: number, value: number): void {
    const registerB = this.#register(Register.B);
    if ((registerB & SET) === 0) this.#freezeTime();
    this.#cmos[index] = value;
    if ((registerB & SET) === 0) this.#thawTime(registerB);
  }

  #freezeTime(): void {
    const now = this.#nowMs();
    for (const index of TIME_REGISTERS) this.#cmos[index] = encodeTime(index, now, this.#register(Register.B));
  }

  /** Goes on from the time registers; what the guest set in them must be read in the notation that it set them in. */
  #thawTime(registerB: number): void {
    const set = decodeTime((index) => this.#register(index), registerB);
    const now = this.#nowMs();
    const withinSecond = now % 1000;
    this.#times[Time.OffsetMs] = this.#time(Time.OffsetMs) + set + withinSecond - now;
    this.#times.fill(this.#nowMs(), Time.LookedMs);
  }

  /** Sets the flags of everything that happened since the last look. */
  #look(): void {
    const now = this.#nowMs();
    let flags = 0;
    if (now - this.#time(Time.PeriodicMs) >= this.#periodMs()) {
      flags |= Flag.Periodic;
      this.#times[Time.PeriodicMs] = now;
    }
    const last = Math.floor(this.#time(Time.LookedMs) / 1000);
    const seconds = Math.floor(now / 1000) - last;
    if (seconds !== 0 && (this.#register(Register.B) & SET) === 0) {
      flags |= Flag.Update;
      this.#times[Time.LookedMs] = now;
      // A day holds every alarm; a clock that was set back counts from now.
      for (let index = 1; index <= Math.min(seconds, DAY_SECONDS) && (flags & Flag.Alarm) === 0; index++) {
        if (this.#isAlarm((last + index) * 1000)) flags |= Flag.Alarm;
      }
    }
    this.#cmos[Register.C] = this.#register(Register.C) | flags;
  }

  #isAlarm(wallMs: number): boolean {
    return this.#matches(Register.AlarmSecond, TimeRegister.Second, wallMs) &&
      this.#matches(Register.AlarmMinute, TimeRegister.Minute, wallMs) &&
      this.#matches(Register.AlarmHour, TimeRegister.Hour, wallMs);
  }

  #matches(alarmRegister: number, timeRegister: number, wallMs: number): boolean {
    const wanted = this.#register(alarmRegister);
    if ((wanted & ALARM_ANY) === ALARM_ANY) return true;
    return wanted === encodeTime(timeRegister, wallMs, this.#register(Register.B));
  }

  /** Register A, bits 3:0 [MC146818A, table 5]: 32768 Hz divided by a power of two; 1 and 2 stand for 8 and 9. */
  #periodMs(): number {
    const rate = this.#register(Register.A) & 0x0f;
    if (rate === 0) return Infinity;
    return (1000 * 2 ** ((rate <= 2 ? rate + 7 : rate) - 1)) / 32_768;
  }

  #flags(): number {
    const flags = this.#register(Register.C) & FLAGS;
    return (flags & this.#register(Register.B)) !== 0 ? flags | Flag.Any : flags;
  }

  #updateLine(): void {
    const level = (this.#flags() & Flag.Any) !== 0 ? 1 : 0;
    if (this.#words[Word.Line] === level) return;
    this.#words[Word.Line] = level;
    this.#setLine(level === 1);
  }

  #nowMs(): number {
    return this.#clock.wallMs() + this.#time(Time.OffsetMs);
  }

  #register(index: number): number {
    return this.#cmos[index] as number;
  }

  #time(index: number): number {
    return this.#times[index] as number;
  }
}
