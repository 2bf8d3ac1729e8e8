import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { ManualClock } from '../hypervisor/testing/manual-clock.ts';
import { Chipset } from './chipset.ts';
import { IoBus, type PortDevice } from './io-bus.ts';
import { PowerEventKind } from './power/events.ts';
import { SerialConsole } from './serial/console.ts';
import { RecordingSink } from './testing/interrupts.ts';

const IO_APIC = 0xfec0_0000;
const data = new Int32Array(4);

function machine(): { chipset: Chipset; sink: RecordingSink; shared: SharedArrayBuffer } {
  const shared = new SharedArrayBuffer(Chipset.sharedBytes);
  const sink = new RecordingSink();
  const chipset = new Chipset({ shared, sink, clock: new ManualClock(), debugExit: true });
  chipset.reset();
  return { chipset, sink, shared };
}

function programIoApic(chipset: Chipset, pin: number, low: number): void {
  for (const [register, value] of [[0x11 + 2 * pin, 0], [0x10 + 2 * pin, low]]) {
    chipset.io.mmioWrite(IO_APIC, 4, Int32Array.of(register as number, 0));
    chipset.io.mmioWrite(IO_APIC + 0x10, 4, Int32Array.of(value as number, 0));
  }
}

test('what nobody claims reads as all ones of its size and takes writes', () => {
  const { chipset } = machine();
  assert.deepEqual([1, 2, 4].map((size) => chipset.io.portRead(0x80, size)), [0xff, 0xffff, 0xffff_ffff]);
  chipset.io.portWrite(0xcf8, 4, 0x8000_0000);
  chipset.io.mmioRead(0xfed0_0000, 8, data);
  assert.deepEqual([...data.subarray(0, 2)], [-1, -1]);
  chipset.io.mmioRead(IO_APIC + 0xffe, 4, data);
  assert.equal(data[0], -1, 'beyond the end of a device');
});

test('a wide access to a byte-wide device is several, also across its end', () => {
  const { chipset } = machine();
  chipset.io.portWrite(0x3fe, 2, 0x5a00);
  assert.equal(chipset.io.portRead(0x3ff, 1), 0x5a);
  assert.equal(chipset.io.portRead(0x3fd, 4), 0xff5a_b060);
});

test('two devices cannot claim one port', () => {
  const device: PortDevice = { byteWide: true, portRead: () => 0, portWrite: () => {} };
  const ports = [{ port: 1, count: 4, device }, { port: 4, count: 1, device }];
  assert.throws(() => new IoBus({ ports, mmio: [], endOfInterrupt: () => {} }), /claimed twice/);
});

test('the serial port interrupts through input 4, and the power button through input 9', () => {
  const { chipset, sink } = machine();
  programIoApic(chipset, 4, 0x34);
  programIoApic(chipset, 9, 0x39 | 0x8000);
  chipset.io.portWrite(0x3fc, 1, 0x0b);
  chipset.io.portWrite(0x3f9, 1, 0x01);
  chipset.serial.receive(Uint8Array.of(1));
  assert.deepEqual(sink.takeVectors(), [0x34]);
  chipset.io.portWrite(0x602, 2, 0x100);
  chipset.power.pressPowerButton();
  assert.deepEqual(sink.takeVectors(), [0x39]);
  chipset.io.endOfInterrupt(0x39);
  assert.deepEqual(sink.takeVectors(), [0x39], 'the level still stands');
});

test('the debug exit port ends the run with an odd status', () => {
  const { chipset } = machine();
  chipset.io.portWrite(0xf4, 4, 0x10);
  assert.deepEqual(chipset.powerEvents.pending, { kind: PowerEventKind.DebugExit, status: 0x21 });
});

test('the whole chipset saved goes on in another', () => {
  const { chipset } = machine();
  programIoApic(chipset, 4, 0x34);
  chipset.io.portWrite(0x3ff, 1, 0x12);
  chipset.io.portWrite(0x3f8, 1, 0x41);
  chipset.io.portWrite(0x602, 2, 0x100);
  const state = structuredClone(chipset.saveState());
  const { chipset: restored } = machine();
  restored.restoreState(state);
  assert.deepEqual(restored.saveState(), state);
});

test('a guest on another thread writes more than the ring holds, and nothing is lost', async () => {
  const { chipset, shared } = machine();
  const total = 300_000;
  const hash = { received: 0, sum: 0 };
  let finish = (): void => {};
  const done = new Promise<void>((resolve) => { finish = resolve; });
  const console = new SerialConsole({ port: chipset.serial, onData: (bytes) => {
    for (const byte of bytes) hash.sum = (Math.imul(hash.sum, 31) + byte) | 0;
    hash.received += bytes.length;
    if (hash.received === total) finish();
  } });
  const worker = new Worker(`
    const { workerData } = require('node:worker_threads');
    import(workerData.module).then(({ Chipset }) => {
      const { io } = new Chipset({ shared: workerData.shared, sink: {}, clock: {} });
      for (let index = 0; index < workerData.total;) {
        if ((io.portRead(0x3fd, 1) & 0x20) === 0) continue;
        for (let fifo = 0; fifo < 16 && index < workerData.total; fifo++) io.portWrite(0x3f8, 1, index++ % 251);
      }
    });`, { eval: true, workerData: { module: new URL('./chipset.js', import.meta.url).href, shared, total } });
  await Promise.all([done, once(worker, 'exit')]);
  await console.close();
  let expected = 0;
  for (let index = 0; index < total; index++) expected = (Math.imul(expected, 31) + (index % 251)) | 0;
  assert.deepEqual(hash, { received: total, sum: expected });
});
