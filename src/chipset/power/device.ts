/**
 * The ACPI fixed hardware (PM1a event and control registers, the power management timer) and the PC's ways to a reset
 * [ACPI 6.4, section 4.8; Intel ICH9 data sheet 13.7.5 for port 0xCF9]. ACPI mode is on from the start. The only fixed
 * event is the power button, which is how the host asks a guest without integration services to shut down.
 */
import type { Clock } from '../../kit/clock.ts';
import type { PortDevice } from '../io-bus.ts';
import * as platform from '../platform.ts';
import { SharedLock } from '../../hypervisor/shared-lock.ts';
import { PowerEventKind, type PowerEvents } from './events.ts';

const PM_TIMER_HZ = 3_579_545;
/** Ports from the start of the PM block. */
export const PM_PORTS = 12;
const TIMER_OFFSET = platform.PM_TIMER_PORT - platform.PM1A_EVENT_PORT;
const CONTROL_OFFSET = platform.PM1A_CONTROL_PORT - platform.PM1A_EVENT_PORT;
/** PM1 status and enable bits. Nothing raises the lock's and the clock's, but Linux complains if they do not stick. */
const Event = { GlobalLock: 1 << 5, PowerButton: 1 << 8, RealTimeClock: 1 << 10 } as const;
const EVENTS = Event.GlobalLock | Event.PowerButton | Event.RealTimeClock;
const Control = { SciEnable: 1 << 0, BusMasterReload: 1 << 1, SleepTypeShift: 10, SleepEnable: 1 << 13 } as const;
/** Bits of PM1a control that a guest can set and read back. */
const CONTROL_KEPT = Control.BusMasterReload | (7 << Control.SleepTypeShift);
const RESET_CPU = 0x04;
const RESET_KEPT = 0x0a;
const KEYBOARD_PULSE_RESET = 0xfe;

/** Words of the shared region; the lock guards the others. The timer's offset is a double. */
const Word = { Lock: 0, Status: 1, Enable: 2, Control: 3, ResetControl: 4, Line: 5, TimerOffset: 6, Count: 8 } as const;

export interface PowerState {
  readonly version: 1;
  readonly status: number;
  readonly enable: number;
  readonly control: number;
  readonly resetControl: number;
  readonly line: boolean;
  /** Ticks that the timer shows. */
  readonly timer: number;
}

export interface PowerOptions {
  readonly shared: SharedArrayBuffer;
  readonly byteOffset: number;
  readonly clock: Clock;
  readonly events: PowerEvents;
  /** The system control interrupt. */
  readonly setLine: (level: boolean) => void;
}

/** The PM block: registers are 16 or 32 bits wide and may be read in parts. */
export class PowerManagement implements PortDevice {
  static readonly sharedBytes: number = Word.Count * 4;
  readonly byteWide = false;
  readonly #words: Int32Array;
  readonly #timerOffset: Float64Array;
  readonly #lock: SharedLock;
  readonly #clock: Clock;
  readonly #events: PowerEvents;
  readonly #setLine: (level: boolean) => void;

  constructor(options: PowerOptions) {
    this.#words = new Int32Array(options.shared, options.byteOffset, Word.Count);
    this.#timerOffset = new Float64Array(options.shared, options.byteOffset + Word.TimerOffset * 4, 1);
    this.#lock = new SharedLock(this.#words, Word.Lock);
    this.#clock = options.clock;
    this.#events = options.events;
    this.#setLine = options.setLine;
  }

  reset(): void {
    this.#lock.acquire();
    this.#words.fill(0, Word.Status, Word.TimerOffset);
    this.#setLine(false);
    this.#lock.release();
  }

  /** The host presses the power button; a guest that has not enabled the event does not notice. */
  pressPowerButton(): void {
    this.#lock.acquire();
    this.#words[Word.Status] = this.#word(Word.Status) | Event.PowerButton;
    this.#updateLine();
    this.#lock.release();
  }

  portRead(port: number, _size: number): number {
    const offset = port - platform.PM1A_EVENT_PORT;
    if (offset >= TIMER_OFFSET) return this.#timer() >>> (8 * (offset - TIMER_OFFSET));
    if (offset >= CONTROL_OFFSET) {
      return (this.#word(Word.Control) | Control.SciEnable) >>> (8 * (offset - CONTROL_OFFSET));
    }
    return (this.#word(Word.Status) | (this.#word(Word.Enable) << 16)) >>> (8 * offset);
  }

  portWrite(port: number, size: number, value: number): void {
    const offset = port - platform.PM1A_EVENT_PORT;
    if (offset >= TIMER_OFFSET) return;
    this.#lock.acquire();
    for (let index = 0; index < size; index++) this.#writeByte(offset + index, (value >>> (8 * index)) & 0xff);
    this.#updateLine();
    const control = this.#word(Word.Control);
    this.#words[Word.Control] = control & CONTROL_KEPT;
    this.#lock.release();
    const type = (control >> Control.SleepTypeShift) & 7;
    if ((control & Control.SleepEnable) === 0 || type !== platform.SLEEP_TYPE_S5) return;
    this.#events.raise(PowerEventKind.Off);
  }

  /** The reset control register: bit 2 going up resets, the other bits say how hard. */
  readonly resetControl: PortDevice = {
    byteWide: true,
    portRead: () => this.#word(Word.ResetControl),
    portWrite: (_port, _size, value) => {
      this.#words[Word.ResetControl] = value & RESET_KEPT;
      if ((value & RESET_CPU) !== 0) this.#events.raise(PowerEventKind.Reset);
    },
  };

  /** The keyboard controller is not there, but for the command by which PCs are reset. */
  readonly keyboardCommand: PortDevice = {
    byteWide: true,
    portRead: () => 0xff,
    portWrite: (_port, _size, value) => {
      if (value === KEYBOARD_PULSE_RESET) this.#events.raise(PowerEventKind.Reset);
    },
  };

  saveState(): PowerState {
    this.#lock.acquire();
    const state: PowerState = {
      version: 1, status: this.#word(Word.Status), enable: this.#word(Word.Enable), control: this.#word(Word.Control),
      resetControl: this.#word(Word.ResetControl), line: this.#word(Word.Line) !== 0, timer: this.#timer(),
    };
    this.#lock.release();
    return state;
  }

  restoreState(state: PowerState): void {
    this.#lock.acquire();
    this.#words[Word.Status] = state.status;
    this.#words[Word.Enable] = state.enable;
    this.#words[Word.Control] = state.control;
    this.#words[Word.ResetControl] = state.resetControl;
    this.#words[Word.Line] = state.line ? 1 : 0;
    this.#timerOffset[0] = 0;
    this.#timerOffset[0] = state.timer - this.#timer();
    this.#lock.release();
  }

  /** One byte of the status (written ones clear), enable or control register. */
  #writeByte(offset: number, byte: number): void {
    const shift = (offset & 1) * 8;
    const bits = byte << shift;
    if (offset < 2) {
      this.#words[Word.Status] = this.#word(Word.Status) & ~bits;
    } else if (offset < CONTROL_OFFSET) {
      this.#words[Word.Enable] = ((this.#word(Word.Enable) & ~(0xff << shift)) | bits) & EVENTS;
    } else if (offset < CONTROL_OFFSET + 2) {
      const kept = CONTROL_KEPT | Control.SleepEnable;
      this.#words[Word.Control] = ((this.#word(Word.Control) & ~(0xff << shift)) | bits) & kept;
    }
  }

  #timer(): number {
    const ticks = Math.floor((this.#clock.nowNs() * PM_TIMER_HZ) / 1e9) + (this.#timerOffset[0] as number);
    return ticks - Math.floor(ticks / 0x1_0000_0000) * 0x1_0000_0000;
  }

  #updateLine(): void {
    const level = (this.#word(Word.Status) & this.#word(Word.Enable) & EVENTS) !== 0 ? 1 : 0;
    if (this.#word(Word.Line) === level) return;
    this.#words[Word.Line] = level;
    this.#setLine(level === 1);
  }

  #word(index: number): number {
    return this.#words[index] as number;
  }
}
