import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { PacketRings, type RingReader } from './packet-rings.ts';

/** A ring that has frames when it is told so. */
class MadeUpRing implements RingReader {
  readonly memory = { bytes: new Uint8Array(8), view: new DataView(new ArrayBuffer(8)), address: 0 };
  readonly log: string[];
  readonly name: string;
  frames = 0;
  isWaiting = false;
  given: () => void = () => {};

  constructor(name: string, log: string[]) {
    this.name = name;
    this.log = log;
  }

  give(): number {
    const count = this.frames;
    this.frames = 0;
    if (count > 0) {
      this.log.push(`${this.name} gives`);
      this.given();
    }
    return count;
  }

  release(): void {
    this.log.push(`${this.name} takes back`);
  }

  setWaiting(isWaiting: boolean): void {
    this.isWaiting = isWaiting;
  }
}

test('while frames come by one ring all are looked at, and nobody waits; then everybody does', async () => {
  const log: string[] = [];
  const rings = new PacketRings();
  const [a, b] = [new MadeUpRing('a', log), new MadeUpRing('b', log)];
  for (const each of [a, b]) rings.add(each);
  assert.deepEqual([a.isWaiting, b.isWaiting], [true, true]);
  a.frames = 3;
  rings.wake();
  assert.deepEqual([a.isWaiting, b.isWaiting], [false, false]);
  b.frames = 1;
  await turn();
  await turn();
  assert.deepEqual(log, ['a gives', 'a takes back', 'b gives', 'b takes back']);
  for (let i = 0; i < 20; i++) await turn();
  assert.deepEqual([a.isWaiting, b.isWaiting], [true, true]);
  rings.remove(a);
  a.frames = b.frames = 1;
  rings.wake();
  assert.deepEqual(log.slice(4), ['b gives', 'b takes back']);
  for (let i = 0; i < 20; i++) await turn();
});

test('who keeps a frame has let it go before its ring takes it back', async () => {
  const log: string[] = [];
  const rings = new PacketRings();
  const ring = new MadeUpRing('ring', log);
  ring.given = () => rings.keep(() => log.push('let go'));
  rings.add(ring);
  assert.equal(rings.memoryOf(ring.memory.bytes), ring.memory);
  assert.equal(rings.memoryOf(new Uint8Array(8)), undefined);
  ring.frames = 1;
  rings.wake();
  assert.deepEqual(log, ['ring gives', 'let go', 'ring takes back']);
  ring.frames = 1;
  await turn();
  await turn();
  assert.deepEqual(log.slice(3), ['ring gives', 'let go', 'ring takes back']);
  for (let i = 0; i < 20; i++) await turn();
});
