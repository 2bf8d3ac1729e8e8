import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordedLine } from '../testing/interrupts.ts';
import { SerialConsole } from './console.ts';
import { SerialPort } from './device.ts';
import { RECEIVE_RING_BYTES, TRANSMIT_RING_BYTES } from './state.ts';

const DATA = 0;
const IER = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCRATCH = 7;
const DTR_RTS_OUT2 = 0x0b;

class Fixture {
  readonly line = new RecordedLine();
  readonly port = new SerialPort({
    shared: new SharedArrayBuffer(SerialPort.sharedBytes), byteOffset: 0, setLine: this.line.set,
  });

  read(register: number): number {
    return this.port.portRead(0x3f8 + register, 1);
  }

  write(register: number, value: number): void {
    this.port.portWrite(0x3f8 + register, 1, value);
  }

  /** As a driver starts: FIFOs on, trigger at 8, modem lines and the interrupt gate up. */
  open(interrupts: number): void {
    this.write(IIR_FCR, 0x81);
    this.write(MCR, DTR_RTS_OUT2);
    this.write(IER, interrupts);
  }

  sent(): string {
    return Buffer.from(this.port.takeTransmitted()).toString();
  }
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

test('the port looks like a 16550A to a driver that probes it', () => {
  const uart = new Fixture();
  uart.write(IER, 0);
  assert.equal(uart.read(IER), 0);
  uart.write(IER, 0xff);
  assert.equal(uart.read(IER), 0x0f, 'no bits of a better chip');
  uart.write(IER, 0);
  uart.write(MCR, 0x1a);
  assert.equal(uart.read(MSR) & 0xf0, 0x90, 'in loopback RTS shows as CTS, OUT2 as DCD');
  uart.write(MCR, 0);
  assert.equal(uart.read(IIR_FCR), 0x01, 'no interrupt, no FIFOs');
  uart.write(IIR_FCR, 0x01);
  assert.equal(uart.read(IIR_FCR), 0xc1);
  uart.write(SCRATCH, 0x5a);
  assert.equal(uart.read(SCRATCH), 0x5a);
  assert.equal(uart.read(LSR), 0x60);
  assert.equal(uart.read(MSR) & 0xf0, 0xb0, 'a modem is there');
});

test('the divisor is behind DLAB and leaves data and interrupts alone', () => {
  const uart = new Fixture();
  uart.write(IER, 0x05);
  uart.write(LCR, 0x83);
  uart.write(DATA, 0x0c);
  uart.write(IER, 0x01);
  assert.deepEqual([uart.read(DATA), uart.read(IER)], [0x0c, 0x01]);
  uart.write(LCR, 0x03);
  assert.equal(uart.read(IER), 0x05);
  assert.equal(uart.sent(), '');
});

test('what the guest writes reaches the host in order', () => {
  const uart = new Fixture();
  for (const byte of bytesOf('hello')) uart.write(DATA, byte);
  assert.equal(uart.sent(), 'hello');
  assert.equal(uart.sent(), '');
});

test('the transmitter interrupts when enabled while empty and after a write, until IIR is read', () => {
  const uart = new Fixture();
  uart.open(0x02);
  assert.equal(uart.line.level, true);
  assert.equal(uart.read(IIR_FCR), 0xc2);
  assert.equal(uart.line.level, false);
  assert.equal(uart.read(IIR_FCR), 0xc1);
  uart.write(DATA, 0x41);
  assert.equal(uart.line.level, true);
  assert.equal(uart.line.rises, 2);
  uart.write(IER, 0);
  assert.equal(uart.line.level, false);
});

test('when the host does not drain, THRE clears without an interrupt; draining brings both back', () => {
  const uart = new Fixture();
  uart.open(0x02);
  let written = 0;
  while ((uart.read(LSR) & 0x20) !== 0 && written <= TRANSMIT_RING_BYTES) {
    uart.write(DATA, written++ & 0xff);
  }
  assert.equal(written, TRANSMIT_RING_BYTES - 15, 'room for less than a FIFO');
  assert.equal(uart.read(IIR_FCR), 0xc1);
  assert.equal(uart.line.level, false);
  const sent = uart.port.takeTransmitted();
  assert.equal(sent.length, written);
  assert.ok(sent.every((byte, index) => byte === (index & 0xff)));
  assert.equal(uart.line.level, true);
  assert.equal(uart.read(IIR_FCR), 0xc2);
  assert.equal(uart.read(LSR) & 0x60, 0x60);
});

test('bytes written into a full line are lost, and only they', () => {
  const uart = new Fixture();
  for (let index = 0; index < TRANSMIT_RING_BYTES; index++) uart.write(DATA, 0x30);
  for (let index = 0; index < 5; index++) uart.write(DATA, 0x31);
  assert.equal(uart.sent(), '0'.repeat(TRANSMIT_RING_BYTES));
});

test('received bytes interrupt as a timeout below the trigger level and as data from it on', () => {
  const uart = new Fixture();
  uart.open(0x01);
  assert.equal(uart.port.receive(bytesOf('1234567')), 7);
  assert.equal(uart.line.level, true);
  assert.equal(uart.read(IIR_FCR), 0xcc);
  uart.port.receive(bytesOf('8'));
  assert.equal(uart.read(IIR_FCR), 0xc4);
  let text = '';
  while ((uart.read(LSR) & 1) !== 0) text += String.fromCharCode(uart.read(DATA));
  assert.equal(text, '12345678');
  assert.equal(uart.line.level, false);
  assert.equal(uart.read(IIR_FCR), 0xc1);
});

test('interrupts are identified in the order of their priority', () => {
  const uart = new Fixture();
  uart.open(0x0f);
  uart.write(MCR, 0x10);
  for (let index = 0; index < 17; index++) uart.write(DATA, index);
  assert.equal(uart.read(IIR_FCR), 0xc6, 'overrun');
  assert.equal(uart.read(LSR), 0x63);
  assert.equal(uart.read(IIR_FCR), 0xc4, 'data');
  for (let index = 0; index < 16; index++) assert.equal(uart.read(DATA), index);
  assert.equal(uart.read(IIR_FCR), 0xc2, 'transmitter');
  assert.equal(uart.read(IIR_FCR), 0xc0, 'modem status');
  assert.equal(uart.read(MSR), 0x0b, 'CTS, DSR and DCD fell');
  assert.equal(uart.read(IIR_FCR), 0xc1);
});

test('without OUT2, and in loopback, the line stays down', () => {
  const uart = new Fixture();
  uart.write(IER, 0x02);
  assert.equal(uart.line.level, false);
  uart.write(MCR, 0x08);
  assert.equal(uart.line.level, true);
  uart.write(MCR, 0x18);
  assert.equal(uart.line.level, false);
});

test('what is typed ahead survives the reads by which a driver clears the receiver', () => {
  const uart = new Fixture();
  uart.port.receive(bytesOf('ls\n'));
  uart.write(MCR, 0x01);
  uart.write(IIR_FCR, 0x07);
  assert.equal(uart.read(LSR) & 1, 0);
  assert.equal(uart.read(DATA), 0);
  uart.open(0x01);
  assert.equal(uart.line.level, true);
  assert.equal(String.fromCharCode(uart.read(DATA), uart.read(DATA), uart.read(DATA)), 'ls\n');
});

test('a guest that polls without ever touching the modem lines receives', () => {
  const uart = new Fixture();
  uart.port.receive(bytesOf('x'));
  assert.equal(uart.read(LSR) & 1, 1);
  assert.equal(uart.read(DATA), 0x78);
});

test('the receive ring takes what fits and rings when half of it is free again', async () => {
  const uart = new Fixture();
  uart.open(0x01);
  assert.equal(uart.port.receive(new Uint8Array(RECEIVE_RING_BYTES + 1)), RECEIVE_RING_BYTES);
  assert.equal(uart.port.isReceiveBlocked, true);
  for (let index = 0; index < RECEIVE_RING_BYTES / 2 - 1; index++) uart.read(DATA);
  assert.equal(uart.port.isReceiveBlocked, true);
  uart.read(DATA);
  assert.equal(uart.port.isReceiveBlocked, false);
  await uart.port.doorbell.wait();
});

test('state saved in the middle of everything goes on in another port', () => {
  const uart = new Fixture();
  uart.open(0x03);
  uart.write(SCRATCH, 0x77);
  uart.write(DATA, 0x41);
  uart.port.receive(bytesOf('in'));
  const state = structuredClone(uart.port.saveState());
  const restored = new Fixture();
  restored.port.restoreState(state);
  assert.deepEqual(restored.port.saveState(), state);
  assert.equal(restored.sent(), 'A');
  assert.equal(restored.read(SCRATCH), 0x77);
  assert.equal(restored.read(IIR_FCR), 0xcc);
  assert.equal(String.fromCharCode(restored.read(DATA), restored.read(DATA)), 'in');
});

test('reset forgets the registers and keeps what is on the line', () => {
  const uart = new Fixture();
  uart.open(0x01);
  uart.port.receive(bytesOf('x'));
  uart.port.reset();
  assert.equal(uart.line.level, false);
  assert.deepEqual([uart.read(IER), uart.read(MCR), uart.read(IIR_FCR)], [0, 0, 1]);
  assert.equal(uart.read(DATA), 0x78);
});

test('the console hands over output as it comes, and the rest when it closes', async () => {
  const uart = new Fixture();
  let output = '';
  let changed = (): void => {};
  const console = new SerialConsole({ port: uart.port, onData: (bytes) => {
    output += Buffer.from(bytes).toString();
    changed();
  } });
  const first = new Promise<void>((resolve) => { changed = resolve; });
  for (const byte of bytesOf('one')) uart.write(DATA, byte);
  await first;
  assert.equal(output, 'one');
  for (const byte of bytesOf(' two')) uart.write(DATA, byte);
  await console.close();
  assert.equal(output, 'one two');
});

test('closing a console does not wait for a reader that never comes back', async () => {
  const uart = new Fixture();
  const console = new SerialConsole({ port: uart.port, onData: () => new Promise(() => {}) });
  uart.write(DATA, 0x41);
  await console.close(1);
});

test('a console whose reader is behind takes nothing more, and still lets input through', async () => {
  const uart = new Fixture();
  uart.open(0x01);
  const taken: string[] = [];
  let release = (): void => {};
  let arrived = (): void => {};
  const first = new Promise<void>((resolve) => { arrived = resolve; });
  const console = new SerialConsole({ port: uart.port, onData: (bytes) => {
    taken.push(Buffer.from(bytes).toString());
    arrived();
    return new Promise((resolve) => { release = resolve; });
  } });
  uart.write(DATA, 0x41);
  await first;
  uart.write(DATA, 0x42);
  uart.write(DATA, 0x43);
  const accepted = console.write(new Uint8Array(RECEIVE_RING_BYTES + 1));
  assert.equal(accepted, RECEIVE_RING_BYTES);
  const writable = console.writable();
  for (let index = 0; index < RECEIVE_RING_BYTES / 2; index++) uart.read(DATA);
  await writable;
  assert.deepEqual(taken, ['A'], 'the reader has not come back yet');
  const closed = console.close();
  release();
  await new Promise(setImmediate);
  release();
  await closed;
  assert.deepEqual(taken, ['A', 'BC']);
});
