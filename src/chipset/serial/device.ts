/**
 * A 16550A serial port [National Semiconductor PC16550D data sheet]. The other end of the line is a pair of rings in
 * shared memory that the host fills and empties (`console.ts`); the line has no speed, a byte is sent as soon as it is
 * written. When the host does not empty its ring, THRE stays clear, as with a peer that holds CTS.
 *
 * The line also has a modem's manners: nothing is delivered until the guest listens (see `#isListening`). Otherwise
 * the bytes typed ahead would be lost to the reads by which drivers clear the receiver when they start.
 */
import { ByteRing } from '../byte-ring.ts';
import { Doorbell } from '../doorbell.ts';
import type { PortDevice } from '../io-bus.ts';
import { SharedLock } from '../../hypervisor/shared-lock.ts';
import { modemDeltas, modemLines } from './modem.ts';
import * as uart from './registers.ts';
import { RECEIVE_RING_BYTES, RECEIVE_RING_OFFSET, REGISTERS_END, type SerialState, SHARED_BYTES, TRANSMIT_RING_BYTES,
  TRANSMIT_RING_OFFSET, Word } from './state.ts';

const { Register, InterruptEnable, InterruptId, FifoControl, ModemControl, LineStatus } = uart;

export interface SerialOptions {
  readonly shared: SharedArrayBuffer;
  readonly byteOffset: number;
  readonly setLine: (level: boolean) => void;
  /** The guest's thread waits for the host to take its bytes, and the guest never finds THRE clear. */
  readonly waitsForHost?: boolean;
}

export class SerialPort implements PortDevice {
  static readonly sharedBytes: number = SHARED_BYTES;
  readonly byteWide = true;
  /** Rung for the host: there is output, or there is room for input again. */
  readonly doorbell: Doorbell;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #lock: SharedLock;
  readonly #transmit: ByteRing;
  readonly #receive: ByteRing;
  readonly #setLine: (level: boolean) => void;
  readonly #waitsForHost: boolean;

  constructor(options: SerialOptions) {
    const { shared, byteOffset } = options;
    this.#words = new Int32Array(shared, byteOffset, Word.Count);
    this.#lock = new SharedLock(this.#words, Word.Lock);
    this.doorbell = new Doorbell(this.#words, Word.Doorbell);
    this.#transmit = new ByteRing(shared, byteOffset + TRANSMIT_RING_OFFSET, TRANSMIT_RING_BYTES);
    this.#receive = new ByteRing(shared, byteOffset + RECEIVE_RING_OFFSET, RECEIVE_RING_BYTES);
    this.#setLine = options.setLine;
    this.#waitsForHost = options.waitsForHost ?? false;
  }

  /** The state after power-on. What is on the line stays there. */
  reset(): void {
    this.#lock.acquire();
    const blocked = this.#word(Word.ReceiveBlocked);
    this.#words.fill(0, Word.InterruptEnable, Word.Count);
    this.#words[Word.ReceiveBlocked] = blocked;
    this.#setLine(false);
    this.#lock.release();
  }

  portRead(port: number, _size: number): number {
    this.#lock.acquire();
    const value = this.#read(port & 7);
    this.#updateLine();
    this.#lock.release();
    return value;
  }

  portWrite(port: number, _size: number, value: number): void {
    this.#lock.acquire();
    this.#write(port & 7, value & 0xff);
    this.#updateLine();
    this.#lock.release();
  }

  /** The host sends: answers how many bytes the line took; `doorbell` rings when it takes more. */
  receive(bytes: Uint8Array): number {
    this.#lock.acquire();
    const count = this.#receive.write(bytes);
    if (count < bytes.length) this.#words[Word.ReceiveBlocked] = 1;
    this.#updateLine();
    this.#lock.release();
    return count;
  }

  /** The last `receive` took less than it was given, and the doorbell has not rung for it yet. */
  get isReceiveBlocked(): boolean {
    return Atomics.load(this.#words, Word.ReceiveBlocked) !== 0;
  }

  /** The host takes everything that the guest has sent. */
  takeTransmitted(): Uint8Array {
    const bytes = this.#transmit.takeAll();
    if (Atomics.load(this.#words, Word.TransmitBlocked) === 0) return bytes;
    this.#lock.acquire();
    this.#words[Word.TransmitBlocked] = 0;
    this.#words[Word.TransmitPending] = 1;
    this.#updateLine();
    this.#lock.release();
    return bytes;
  }

  saveState(): SerialState {
    this.#lock.acquire();
    const state: SerialState = {
      version: 1,
      registers: [...this.#words.subarray(Word.InterruptEnable, REGISTERS_END)],
      line: this.#word(Word.Line) !== 0,
      loopback: [...this.#words.subarray(Word.LoopBytes, Word.LoopBytes + this.#word(Word.LoopCount))],
      transmitted: this.#transmit.peekAll(),
      received: this.#receive.peekAll(),
    };
    this.#lock.release();
    return state;
  }

  restoreState(state: SerialState): void {
    this.#lock.acquire();
    this.#words.set(state.registers, Word.InterruptEnable);
    this.#words[Word.Line] = state.line ? 1 : 0;
    this.#words[Word.LoopCount] = state.loopback.length;
    this.#words.set(state.loopback, Word.LoopBytes);
    this.#transmit.clear();
    this.#transmit.write(state.transmitted);
    this.#receive.clear();
    this.#receive.write(state.received);
    this.#lock.release();
    this.doorbell.ring();
  }

  #read(register: number): number {
    const latched = (this.#word(Word.LineControl) & uart.DIVISOR_LATCH) !== 0;
    switch (register) {
      case Register.Data: return latched ? this.#word(Word.DivisorLow) : this.#readData();
      case Register.InterruptEnable: return this.#word(latched ? Word.DivisorHigh : Word.InterruptEnable);
      case Register.InterruptId: return this.#readInterruptId();
      case Register.LineControl: return this.#word(Word.LineControl);
      case Register.ModemControl: return this.#word(Word.ModemControl);
      case Register.LineStatus: return this.#readLineStatus();
      case Register.ModemStatus: return this.#readModemStatus();
      default: return this.#word(Word.Scratch);
    }
  }

  #write(register: number, value: number): void {
    const latched = (this.#word(Word.LineControl) & uart.DIVISOR_LATCH) !== 0;
    switch (register) {
      case Register.Data:
        if (latched) this.#words[Word.DivisorLow] = value;
        else this.#writeData(value);
        break;
      case Register.InterruptEnable:
        if (latched) this.#words[Word.DivisorHigh] = value;
        else this.#writeInterruptEnable(value);
        break;
      case Register.FifoControl: this.#writeFifoControl(value); break;
      case Register.LineControl: this.#words[Word.LineControl] = value; break;
      case Register.ModemControl: this.#writeModemControl(value & ModemControl.All); break;
      case Register.Scratch: this.#words[Word.Scratch] = value; break;
      default: break; // The status registers are read-only.
    }
  }

  #readData(): number {
    const loopCount = this.#word(Word.LoopCount);
    if (loopCount > 0) {
      const byte = this.#word(Word.LoopBytes);
      this.#words.copyWithin(Word.LoopBytes, Word.LoopBytes + 1, Word.LoopBytes + loopCount);
      this.#words[Word.LoopCount] = loopCount - 1;
      return byte;
    }
    if (!this.#isListening()) return 0;
    const byte = this.#receive.shift();
    if (this.#word(Word.ReceiveBlocked) !== 0 && this.#receive.free >= RECEIVE_RING_BYTES / 2) {
      this.#words[Word.ReceiveBlocked] = 0;
      this.doorbell.ring();
    }
    return Math.max(byte, 0);
  }

  #writeData(value: number): void {
    this.#words[Word.TransmitPending] = 0;
    if (this.#isLoopback()) {
      this.#loopBack(value);
      this.#words[Word.TransmitPending] = 1;
      return;
    }
    // A guest that writes although THRE is clear, into a full ring, loses the byte.
    this.#transmit.push(value);
    this.doorbell.ring();
    if (this.#canTransmit()) this.#words[Word.TransmitPending] = 1;
  }

  #loopBack(value: number): void {
    const count = this.#word(Word.LoopCount);
    const room = (this.#word(Word.FifoControl) & FifoControl.Enable) === 0 ? 1 : uart.FIFO_BYTES;
    if (count >= room) {
      this.#words[Word.LineErrors] = LineStatus.Overrun;
      return;
    }
    this.#words[Word.LoopBytes + count] = value;
    this.#words[Word.LoopCount] = count + 1;
  }

  #writeInterruptEnable(value: number): void {
    const before = this.#word(Word.InterruptEnable);
    this.#words[Word.InterruptEnable] = value & InterruptEnable.All;
    // Enabling the transmitter's interrupt while it is empty raises it.
    const enabled = value & ~before & InterruptEnable.Transmit;
    if (enabled !== 0 && this.#canTransmit()) this.#words[Word.TransmitPending] = 1;
  }

  /** Clearing the receiver's FIFO leaves alone what is still on the line. */
  #writeFifoControl(value: number): void {
    const toggled = (value ^ this.#word(Word.FifoControl)) & FifoControl.Enable;
    if (toggled !== 0 || (value & FifoControl.ClearReceiver) !== 0) this.#words[Word.LoopCount] = 0;
    this.#words[Word.FifoControl] = (value & FifoControl.Enable) === 0 ? 0 : value & FifoControl.Kept;
  }

  #writeModemControl(value: number): void {
    const before = modemLines(this.#word(Word.ModemControl));
    this.#words[Word.ModemControl] = value;
    this.#words[Word.ModemControlWritten] = 1;
    this.#words[Word.ModemDeltas] = this.#word(Word.ModemDeltas) | modemDeltas(before, modemLines(value));
  }

  #readInterruptId(): number {
    const id = this.#interruptId();
    if (id === InterruptId.Transmit) this.#words[Word.TransmitPending] = 0;
    return (this.#word(Word.FifoControl) & FifoControl.Enable) === 0 ? id : id | InterruptId.Fifos;
  }

  #readLineStatus(): number {
    const ready = this.#received() > 0 ? LineStatus.DataReady : 0;
    const empty = this.#canTransmit() ? LineStatus.TransmitEmpty : 0;
    const errors = this.#word(Word.LineErrors);
    this.#words[Word.LineErrors] = 0;
    return ready | empty | errors;
  }

  #readModemStatus(): number {
    const deltas = this.#word(Word.ModemDeltas);
    this.#words[Word.ModemDeltas] = 0;
    return deltas | modemLines(this.#word(Word.ModemControl));
  }

  /** The pending interrupt of the highest priority. */
  #interruptId(): number {
    const enabled = this.#word(Word.InterruptEnable);
    const error = (enabled & InterruptEnable.LineStatus) !== 0 && this.#word(Word.LineErrors) !== 0;
    if (error) return InterruptId.LineStatus;
    const received = (enabled & InterruptEnable.Received) !== 0 ? this.#received() : 0;
    if (received > 0) {
      // On a line without speed, fewer bytes than the trigger have already waited for longer than the timeout.
      const trigger = uart.RECEIVE_TRIGGER[this.#word(Word.FifoControl) >> 6] as number;
      return received >= trigger ? InterruptId.Received : InterruptId.ReceiveTimeout;
    }
    const sent = (enabled & InterruptEnable.Transmit) !== 0 && this.#word(Word.TransmitPending) !== 0;
    if (sent) return InterruptId.Transmit;
    const modem = (enabled & InterruptEnable.ModemStatus) !== 0 && this.#word(Word.ModemDeltas) !== 0;
    return modem ? InterruptId.ModemStatus : InterruptId.None;
  }

  #received(): number {
    const loopback = this.#word(Word.LoopCount);
    return loopback > 0 || !this.#isListening() ? loopback : this.#receive.used;
  }

  /** Listening: the receiver's interrupt is on, or DTR and RTS are, or the guest has never touched them at all. */
  #isListening(): boolean {
    if (this.#isLoopback()) return false;
    if ((this.#word(Word.InterruptEnable) & InterruptEnable.Received) !== 0) return true;
    const ready = ModemControl.Dtr | ModemControl.Rts;
    return this.#word(Word.ModemControlWritten) === 0 || (this.#word(Word.ModemControl) & ready) === ready;
  }

  #isLoopback(): boolean {
    return (this.#word(Word.ModemControl) & ModemControl.Loop) !== 0;
  }

  /** A driver that finds THRE set writes a whole FIFO without looking again, so there must be room for one. */
  #canTransmit(): boolean {
    if (this.#isLoopback() || this.#transmit.free >= uart.FIFO_BYTES) return true;
    if (this.#waitsForHost) {
      this.#transmit.waitForRoom(uart.FIFO_BYTES);
      return true;
    }
    // The host looks at this word after it has taken bytes: mark first, then look again, or both could miss it.
    Atomics.store(this.#words, Word.TransmitBlocked, 1);
    return this.#transmit.free >= uart.FIFO_BYTES;
  }

  /** On a PC, OUT2 gates the interrupt line, and loopback takes OUT2 off the pin. */
  #updateLine(): void {
    const gate = (this.#word(Word.ModemControl) & (ModemControl.Out2 | ModemControl.Loop)) === ModemControl.Out2;
    const level = gate && this.#interruptId() !== InterruptId.None ? 1 : 0;
    if (this.#word(Word.Line) === level) return;
    this.#words[Word.Line] = level;
    this.#setLine(level === 1);
  }

  #word(index: number): number {
    return this.#words[index] as number;
  }
}
