/** Persistent reservations as sg_persist(8) makes them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GuestDriver } from '../../vmbus/testing/guest-driver.ts';
import { type Answer, DATA_GPA, MemoryDisk, type ScsiGuest, started } from './testing/scsi-guest.ts';

const REGISTER = 0;
const RESERVE = 1;
const RELEASE = 2;
const CLEAR = 3;
const PREEMPT = 4;
const IGNORE = 6;
const WRITE_EXCLUSIVE = 1;
const CONFLICT = 0x18;

function out(guest: ScsiGuest, action: number, type: number, key: number, newKey = 0, flags = 0): Answer {
  const list = new Uint8Array(24);
  new DataView(list.buffer).setUint32(4, key);
  new DataView(list.buffer).setUint32(12, newKey);
  list[20] = flags;
  guest.driver.memory.write(DATA_GPA, list);
  return guest.scsi([0x5f, action, type, 0, 0, 0, 0, 0, 24, 0], 24);
}

/** What an action of PERSISTENT RESERVE IN answers. */
function take(guest: ScsiGuest, action: number): number[] {
  const { length } = guest.scsi([0x5e, action, 0, 0, 0, 0, 0, 0, 64, 0], 64);
  return [...guest.data(length)];
}

test('a key is registered, reserves, releases and is cleared', () => {
  const guest = started(new MemoryDisk());
  assert.deepEqual(take(guest, 0), [0, 0, 0, 0, 0, 0, 0, 0]);
  assert.equal(out(guest, RESERVE, WRITE_EXCLUSIVE, 5).scsi, CONFLICT, 'without a registration');
  assert.equal(out(guest, REGISTER, 0, 9, 5).scsi, CONFLICT, 'with a key that is not registered');
  assert.equal(out(guest, REGISTER, 0, 0, 5).srb, 1);
  assert.deepEqual(take(guest, 0), [0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5]);
  assert.equal(out(guest, REGISTER, 0, 0, 6).scsi, CONFLICT, 'once more without the old key');
  assert.equal(out(guest, RESERVE, WRITE_EXCLUSIVE, 5).srb, 1);
  assert.deepEqual(take(guest, 1).slice(7), [16, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 1, 0, 0]);
  assert.equal(out(guest, RESERVE, 3, 5).scsi, CONFLICT, 'as another type');
  assert.equal(out(guest, RELEASE, 3, 5).sense, '052604');
  assert.equal(out(guest, PREEMPT, 5, 5, 5).srb, 1);
  assert.equal(take(guest, 1)[21], 5);
  assert.equal(out(guest, RELEASE, 5, 5).srb, 1);
  assert.equal(take(guest, 1).length, 8);
  assert.equal(out(guest, CLEAR, 0, 5).srb, 1);
  assert.equal(take(guest, 0).length, 8);
  assert.equal(out(guest, IGNORE, 0, 77, 8).srb, 1);
  assert.equal(take(guest, 3)[15], 8);
  assert.deepEqual(take(guest, 2), [0, 8, 0, 0x80, 0xea, 1, 0, 0]);
});

test('what is not right is refused', () => {
  const guest = started(new MemoryDisk());
  assert.equal(out(guest, REGISTER, 0, 0, 5, 1).sense, '052600', 'to outlive a loss of power');
  assert.equal(out(guest, 7, 0, 0, 5).sense, '052400');
  assert.equal(guest.scsi([0x5f, 0, 0, 0, 0, 0, 0, 0, 20, 0], 20).sense, '051a00');
  assert.equal(guest.scsi([0x5f, 0, 0, 0, 0, 0, 0, 0, 24, 0], 20).sense, '051a00');
  assert.equal(guest.scsi([0x5e, 9, 0, 0, 0, 0, 0, 0, 64, 0], 64).sense, '052400');
  out(guest, REGISTER, 0, 0, 5);
  assert.equal(out(guest, RESERVE, 2, 5).sense, '052400', 'a type that there is not');
  assert.equal(out(guest, RESERVE, 0x11, 5).sense, '052400', 'a scope that there is not');
});

test('a reservation outlives the thread that made it, and is not made twice', () => {
  const guest = started(new MemoryDisk());
  out(guest, REGISTER, 0, 0, 5);
  // The thread ended when it had acted and not said so: the fifth request, behind the handshake.
  const slot = (64 + 5 * 1024) / 4;
  new Int32Array(guest.requests[0] as SharedArrayBuffer).set([0, 0], slot + 1);
  const bus = guest.driver.bus.saveState();
  const driver = new GuestDriver({ port: guest.driver.port });
  new Uint8Array(driver.memory.buffer).set(new Uint8Array(guest.driver.memory.buffer));
  const controller = guest.makeController(driver);
  driver.bus.offer(controller);
  driver.bus.restoreState(bus);
  driver.bus.poll();
  const [unit] = controller.units;
  assert.deepEqual(unit?.state.reservation,
    { isRegistered: true, keyHigh: 0, keyLow: 5, type: 0, generation: 1 });
  assert.equal((controller.inspect() as { unanswered: number }).unanswered, 0);
});

test('a disk tells which commands it knows', () => {
  const guest = started(new MemoryDisk());
  const { length } = guest.scsi([0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0], 4096);
  const bytes = guest.data(length);
  const operations = Array.from({ length: (length - 4) / 8 }, (_, i) => bytes[4 + i * 8]);
  assert.ok(operations.includes(0x28) && operations.includes(0x5f) && !operations.includes(0x43));
  assert.equal(guest.scsi([0xa3, 0x0c, 1, 0x93, 0, 0, 0, 0, 0, 64, 0, 0], 64).length, 20);
  assert.deepEqual([...guest.data(5)], [0, 3, 0, 16, 0x93]);
  guest.scsi([0xa3, 0x0c, 1, 0x43, 0, 0, 0, 0, 0, 64, 0, 0], 64);
  assert.equal(guest.data(2)[1], 1);
  assert.equal(guest.scsi([0xa3, 0x0d, 1, 0x43, 0, 0, 0, 0, 0, 64, 0, 0], 64).sense, '052400');
});
