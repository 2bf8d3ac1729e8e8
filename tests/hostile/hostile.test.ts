/**
 * Guests that attack, for seconds each: the host neither throws nor hangs, what it has does not grow, and another guest
 * goes on. `npm run prove` does it for an hour.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { MachineGuest } from '../machine-guest.ts';
import { multibootKernel } from '../multiboot-kernel.ts';
import { attack } from './attack.ts';
import { hostileGuest } from './program.ts';
import { TICKING } from './ticking.ts';

const DEADLINE_MS = 5 * 60_000;
const EACH_MS = 2500;
/** Of a guest and its tables; they are gone when the guest is. */
const ROOM_BYTES = 300 * 2 ** 20;

const folder = mkdtempSync(join(tmpdir(), 'partout-hostile-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('the same seed makes the same guest', () => {
  assert.deepEqual(hostileGuest(5), hostileGuest(5));
  assert.notDeepEqual(hostileGuest(5), hostileGuest(6));
});

test('the host withstands hostile guests, and another guest goes on', { timeout: DEADLINE_MS }, async () => {
  const kernel = join(folder, 'ticking');
  writeFileSync(kernel, multibootKernel(TICKING));
  await using other = await MachineGuest.start({ kernel, commandLine: '', memoryBytes: 16 * 2 ** 20 });
  const before = process.memoryUsage().rss;
  const ticks = other.console.length;
  const { ends, passes, residentBytes } = await attack({ seeds: [1, 2, 3], millisecondsEach: EACH_MS });
  assert.deepEqual(Object.keys(ends).filter((end) => end !== 'stopped' && end !== 'crash'), []);
  assert.ok(passes > 0, 'a guest came through its list');
  assert.ok(Math.max(...residentBytes) - before < ROOM_BYTES, `${before} grew to ${residentBytes.join(', ')}`);
  assert.ok(other.console.length > ticks);
});

test('a guest that resets itself by every processor at a time starts again', { timeout: DEADLINE_MS }, async () => {
  // mov dx, 0xcf9; mov al, 6; out dx, al: again and again, until the processor stops
  const kernel = join(folder, 'resets');
  writeFileSync(kernel, multibootKernel([0x66, 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xeb, 0xfd]));
  await using guest = await MachineGuest.start({
    kernel, commandLine: '', memoryBytes: 16 * 2 ** 20, rebootInPlace: true, processors: 2,
  });
  await guest.until('ten resets', () => (guest.machine.statistics() as { reboots: number }).reboots >= 10, DEADLINE_MS);
});
