/**
 * The IO-APIC: 24 inputs, each turned into an interrupt message by its redirection entry [Intel 82093AA data sheet;
 * Intel ICH9 data sheet 13.5 for version 0x20 with its EOI register]. `setLine` may come from any thread.
 */
import type { DeliveryMode, InterruptSink } from '../../hypervisor/device-port.ts';
import type { MmioDevice } from '../io-bus.ts';
import { SharedLock } from '../../hypervisor/shared-lock.ts';

export const IO_APIC_PINS = 24;
export const IO_APIC_MMIO_BYTES = 0x1000;

/** Offsets in the memory window. */
const Window = { Select: 0x00, Data: 0x10, EndOfInterrupt: 0x40 } as const;
const Register = { Id: 0x00, Version: 0x01, Arbitration: 0x02, Redirection: 0x10 } as const;
const VERSION = 0x20 | ((IO_APIC_PINS - 1) << 16);
const ID_BITS = 0x0f00_0000;

/** The low word of a redirection entry. */
const Entry = {
  Vector: 0xff, Logical: 1 << 11, RemoteIrr: 1 << 14, Level: 1 << 15, Masked: 1 << 16,
  /** Vector, delivery mode, destination mode, polarity, trigger, mask; the rest is read-only. */
  Writable: 0x0001_afff,
} as const;

/** Words of the shared region; the lock guards the others. */
const Word = {
  Lock: 0, Select: 1, Id: 2, Lines: 3, EntryLow: 4, EntryHigh: 4 + IO_APIC_PINS, Count: 4 + 2 * IO_APIC_PINS,
} as const;

export interface IoApicState {
  readonly version: 1;
  readonly select: number;
  readonly id: number;
  /** The level of each input, one bit each. */
  readonly lines: number;
  readonly entries: readonly { readonly low: number; readonly high: number }[];
}

export class IoApic implements MmioDevice {
  static readonly sharedBytes: number = Word.Count * 4;
  readonly #words: Int32Array;
  readonly #lock: SharedLock;
  readonly #sink: InterruptSink;

  constructor(options: { shared: SharedArrayBuffer; byteOffset: number; sink: InterruptSink }) {
    this.#words = new Int32Array(options.shared, options.byteOffset, Word.Count);
    this.#lock = new SharedLock(this.#words, Word.Lock);
    this.#sink = options.sink;
  }

  /** The state after power-on: everything masked. */
  reset(): void {
    this.#lock.acquire();
    this.#words.fill(0, Word.Select, Word.Count);
    this.#words.fill(Entry.Masked, Word.EntryLow, Word.EntryLow + IO_APIC_PINS);
    this.#lock.release();
  }

  /** Sets the level of an input; a rising edge, or a level while it stands, asks for an interrupt. */
  setLine(pin: number, level: boolean): void {
    this.#lock.acquire();
    const lines = this.#word(Word.Lines);
    const bit = 1 << pin;
    const rose = level && (lines & bit) === 0;
    this.#words[Word.Lines] = level ? lines | bit : lines & ~bit;
    const isLevel = (this.#word(Word.EntryLow + pin) & Entry.Level) !== 0;
    this.#releaseAndSend(pin, isLevel ? level : rose);
  }

  mmioRead(offset: number, _size: number, data: Int32Array): void {
    this.#lock.acquire();
    data[0] = offset === Window.Select ? this.#word(Word.Select) : offset === Window.Data ? this.#readRegister() : 0;
    data[1] = 0;
    this.#lock.release();
  }

  mmioWrite(offset: number, _size: number, data: Int32Array): void {
    const value = data[0] as number;
    if (offset === Window.Select) {
      this.#lock.acquire();
      this.#words[Word.Select] = value & 0xff;
      this.#lock.release();
    } else if (offset === Window.Data) {
      this.#writeRegister(value);
    } else if (offset === Window.EndOfInterrupt) {
      this.endOfInterrupt(value & 0xff);
    }
  }

  /** Level-triggered inputs with this vector may interrupt again, and do so at once where the level still stands. */
  endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < IO_APIC_PINS; pin++) {
      // The entry was marked before its message went out, so whoever ends the interrupt sees the mark without the lock.
      if (!this.#isInService(pin, vector)) continue;
      this.#lock.acquire();
      const ended = this.#isInService(pin, vector);
      if (ended) this.#words[Word.EntryLow + pin] = this.#word(Word.EntryLow + pin) & ~Entry.RemoteIrr;
      this.#releaseAndSend(pin, ended && this.#isHigh(pin));
    }
  }

  saveState(): IoApicState {
    this.#lock.acquire();
    const entries = Array.from({ length: IO_APIC_PINS }, (_, pin) => (
      { low: this.#word(Word.EntryLow + pin) >>> 0, high: this.#word(Word.EntryHigh + pin) >>> 0 }));
    const state: IoApicState = {
      version: 1, select: this.#word(Word.Select), id: this.#word(Word.Id), lines: this.#word(Word.Lines), entries,
    };
    this.#lock.release();
    return state;
  }

  restoreState(state: IoApicState): void {
    this.#lock.acquire();
    this.#words[Word.Select] = state.select;
    this.#words[Word.Id] = state.id;
    this.#words[Word.Lines] = state.lines;
    state.entries.forEach((entry, pin) => {
      this.#words[Word.EntryLow + pin] = entry.low;
      this.#words[Word.EntryHigh + pin] = entry.high;
    });
    this.#lock.release();
  }

  /** Only under the lock. */
  #readRegister(): number {
    const select = this.#word(Word.Select);
    if (select === Register.Id || select === Register.Arbitration) return this.#word(Word.Id);
    if (select === Register.Version) return VERSION;
    const at = entryWord(select);
    return at < 0 ? 0 : this.#word(at);
  }

  #writeRegister(value: number): void {
    this.#lock.acquire();
    const select = this.#word(Word.Select);
    if (select === Register.Id) this.#words[Word.Id] = value & ID_BITS;
    const at = entryWord(select);
    if (at < 0 || at >= Word.EntryHigh) {
      if (at >= 0) this.#words[at] = value;
      this.#lock.release();
      return;
    }
    // Turning an input to edge-triggered forgets that a level interrupt is in service.
    const kept = (value & Entry.Level) === 0 ? 0 : this.#word(at) & Entry.RemoteIrr;
    this.#words[at] = (value & Entry.Writable) | kept;
    const pin = at - Word.EntryLow;
    this.#releaseAndSend(pin, (value & Entry.Level) !== 0 && this.#isHigh(pin));
  }

  /**
   * Sends the input's message if it is wanted and may be sent, after letting go of the lock: the receiving processor's
   * own locks come later in no order with ours.
   */
  #releaseAndSend(pin: number, wanted: boolean): void {
    const low = this.#word(Word.EntryLow + pin);
    const high = this.#word(Word.EntryHigh + pin);
    const send = wanted && (low & (Entry.Masked | Entry.RemoteIrr)) === 0;
    const isLevel = (low & Entry.Level) !== 0;
    if (send && isLevel) this.#words[Word.EntryLow + pin] = low | Entry.RemoteIrr;
    this.#lock.release();
    if (!send) return;
    const mode = ((low >>> 8) & 7) as DeliveryMode;
    this.#sink.sendInterrupt(high >>> 24, (low & Entry.Logical) !== 0, mode, low & Entry.Vector, isLevel);
  }

  #isInService(pin: number, vector: number): boolean {
    const low = this.#word(Word.EntryLow + pin);
    const marks = Entry.Level | Entry.RemoteIrr;
    return (low & marks) === marks && (low & Entry.Vector) === vector;
  }

  #isHigh(pin: number): boolean {
    return (this.#word(Word.Lines) & (1 << pin)) !== 0;
  }

  #word(index: number): number {
    return this.#words[index] as number;
  }
}

/** The word of a redirection register, or -1. */
function entryWord(select: number): number {
  const index = select - Register.Redirection;
  if (index < 0 || index >= 2 * IO_APIC_PINS) return -1;
  return ((index & 1) === 0 ? Word.EntryLow : Word.EntryHigh) + (index >> 1);
}
