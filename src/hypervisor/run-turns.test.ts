/** Turns on real threads: this file is also what they run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { ControlBuffer } from './control-buffer.ts';
import { PartitionControl } from './partition-layout.ts';
import { limitTurns, RunTurns } from './run-turns.ts';

const THREADS = 5;
const LIMIT = 2;
const TIMES = 2000;
/** Words that the threads count in: who is running, the most that ever were, turns of each. */
const RUNNING = 0;
const MOST = 1;
const TURNS = 2;

let now = 0;
const turnsOf = (control: ControlBuffer): RunTurns => new RunTurns({ control, time: { nowNs: () => now } });

interface ThreadData { control: SharedArrayBuffer; counts: SharedArrayBuffer; index: number }

function runThread({ control, counts, index }: ThreadData): void {
  const turns = turnsOf(new ControlBuffer(control));
  const words = new Int32Array(counts);
  for (let i = 0; i < TIMES; i++) {
    assert.equal(turns.take(), true);
    assert.equal(turns.take(), false, 'it has one already');
    const running = Atomics.add(words, RUNNING, 1) + 1;
    if (running > Atomics.load(words, MOST)) Atomics.store(words, MOST, running);
    Atomics.add(words, TURNS + index, 1);
    Atomics.sub(words, RUNNING, 1);
    turns.giveUp();
  }
  turns.giveUp();
}

if (isMainThread) {
  test('no more processors run than have turns, and every one gets its own', async () => {
    const control = ControlBuffer.create(THREADS);
    limitTurns(control, LIMIT);
    const counts = new SharedArrayBuffer(64);
    await Promise.all(Array.from({ length: THREADS }, (_, index) => new Promise<void>((resolve, reject) => {
      const data: ThreadData = { control: control.buffer, counts, index };
      const worker = new Worker(new URL(import.meta.url), { workerData: data });
      worker.once('error', reject);
      worker.once('exit', () => { resolve(); });
    })));
    const [running, most, ...turns] = new Int32Array(counts).slice(0, TURNS + THREADS);
    assert.equal(running, 0);
    assert.ok((most as number) <= LIMIT, `${most} ran at once`);
    assert.deepEqual(turns, new Array<number>(THREADS).fill(TIMES));
    assert.equal(turnsOf(control).wanted, false);
  });

  test('a turn is wanted while somebody waits for it', () => {
    const control = ControlBuffer.create(3);
    limitTurns(control, 1);
    const turns = turnsOf(control);
    turns.take();
    assert.equal(turns.wanted, false);
    turnsOf(control).giveUp();
    assert.equal(turns.wanted, false, 'who has none gives none');
    turns.giveUp();
    assert.equal(turnsOf(control).take(), true);
  });

  test('a turn lasts a millisecond once others want it, and ends at once when the guest only waits', () => {
    const control = ControlBuffer.create(2);
    limitTurns(control, 1);
    const turns = turnsOf(control);
    turns.take();
    assert.equal(turns.share(true), true, 'nobody wants it');
    // Another processor's ticket, as if it waited.
    Atomics.add(control.words, PartitionControl.turnTickets.offset >> 2, 1);
    assert.equal(turns.share(false), false);
    assert.equal(turns.wanted, true, 'it is too early');
    now = 1_000_000;
    turns.share(false);
    assert.equal(turns.wanted, false);
  });

  test('without a limit nobody waits', () => {
    const control = ControlBuffer.create(3);
    for (let i = 0; i < 3; i++) assert.equal(turnsOf(control).take(), false);
  });
} else {
  runThread(workerData as ThreadData);
}
