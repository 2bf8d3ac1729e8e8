/** Requests that wait, channels beside the first, and units that come and go. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperatingError } from '../../kit/errors.ts';
import { ClassId } from '../../protocols/vmbus/class-ids.ts';
import type { GuestChannel } from '../../vmbus/testing/guest-channel.ts';
import { GuestDriver } from '../../vmbus/testing/guest-driver.ts';
import { RateLimit } from './rate-limit.ts';
import type { LogicalUnit } from './logical-unit.ts';
import {
  answerOf, MemoryDisk, read10, ScsiGuest, scsiPacket, SECTOR, write10,
} from './testing/scsi-guest.ts';

const NO_ROOM = new OperatingError('host', 'no room', { cause: Object.assign(new Error(), { code: 'ENOSPC' }) });

/** Sends commands without waiting; their transactions. */
function sendAll(guest: ScsiGuest, luns: readonly number[]): number[] {
  return luns.map((lun) => guest.send(...scsiPacket(write10(0, 16), 8192, { lun })));
}

const answered = (guest: ScsiGuest): number[] => guest.channel.receiveAll().map(({ transaction }) => transaction);

test('a limited disk keeps to its rate, and the other is not held up', () => {
  const disks = [new MemoryDisk(), new MemoryDisk()];
  const guest: ScsiGuest = new ScsiGuest(disks, {
    units: (each) => [each.unit(disks[0]!, 0, { limits: { operations: 10 } }), each.unit(disks[1]!, 1)],
  }).start();
  const [a, b, c, d] = sendAll(guest, [0, 0, 1, 0]);
  assert.deepEqual(answered(guest), [a, c], 'one at once, the others wait');
  assert.equal(guest.controller.dueMs, guest.nowMs + 100);
  guest.nowMs += 100;
  guest.channel.ring();
  assert.deepEqual(answered(guest), [b]);
  guest.nowMs += 99;
  guest.channel.ring();
  assert.deepEqual(answered(guest), []);
  guest.nowMs += 2;
  guest.channel.ring();
  assert.deepEqual(answered(guest), [d]);
  assert.equal(guest.controller.dueMs, Infinity);
});

test('a reset gives back what waits', () => {
  const disk = new MemoryDisk();
  const guest = new ScsiGuest([disk], { limits: { operations: 1 } }).start();
  sendAll(guest, [0, 0, 0]);
  assert.equal(answered(guest).length, 1);
  guest.send(Uint8Array.from({ length: 64 }, (_, i) => i === 0 ? 6 : i === 4 ? 1 : 0));
  const packets = guest.channel.receiveAll().map(({ payload }) => answerOf(payload));
  assert.deepEqual(packets.map(({ srb }) => srb), [2, 2, 0]);
  assert.equal(disk.log.filter((line) => line.startsWith('write')).length, 1);
});

test('over time, a bucket lets through what it should, whatever the sizes', () => {
  for (const [limits, lengthBytes, most] of [
    [{ operations: 100 }, 4096, 100], [{ operations: 100 }, 65536, 12.5], [{ bytes: 1e6 }, 250_000, 4],
    [{ operations: 100, bytes: 81920 }, 8192, 10], [{}, 4096, 10_000],
  ] as const) {
    const limit = new RateLimit(limits);
    let done = 0;
    for (let now = 0; now < 10_000; now++) if (limit.take(lengthBytes, now) === 0) done++;
    assert.ok(Math.abs(done / 10 - most) / most < 0.15 || done === 10_000, `${JSON.stringify(limits)}: ${done}`);
  }
});

test('a host without room is waited for, and nothing is lost', () => {
  const disk = new MemoryDisk();
  const guest = new ScsiGuest([disk], { waitsForRoom: true }).start();
  disk.failure = NO_ROOM;
  const sent = sendAll(guest, [0, 0]);
  assert.deepEqual(answered(guest), []);
  assert.deepEqual(guest.conditions, ['0: 1']);
  guest.nowMs += 500;
  assert.ok(guest.controller.dueMs <= guest.nowMs);
  guest.channel.ring();
  assert.deepEqual(answered(guest), []);
  disk.failure = undefined;
  guest.channel.ring();
  assert.deepEqual(answered(guest), sent);
  assert.deepEqual(guest.conditions, ['0: 1', '0: 0']);
  assert.deepEqual(disk.log.slice(-3), ['write 8192@0', 'write 8192@0', 'settle']);
});

test('no room to settle is waited for, too', () => {
  const disk = new MemoryDisk();
  const guest = new ScsiGuest([disk], { waitsForRoom: true }).start();
  const settle = disk.settleSync.bind(disk);
  disk.settleSync = () => { throw NO_ROOM; };
  const sent = sendAll(guest, [0]);
  assert.deepEqual(answered(guest), []);
  assert.deepEqual(guest.conditions, ['0: 1']);
  disk.settleSync = settle;
  guest.channel.ring();
  assert.deepEqual(answered(guest), sent);
  assert.deepEqual(guest.conditions, ['0: 1', '0: 0']);
});

/** Opens the channels that the guest was offered beside the first. */
function openSubChannel(guest: ScsiGuest): GuestChannel {
  assert.notEqual(guest.control(13, [2, 0]).status, 0, 'more than there are');
  assert.equal(guest.control(13, [1, 0]).status, 0);
  assert.equal(guest.subChannels, 1);
  const relid = guest.driver.takeOffers().get(ClassId.Scsi) as number;
  assert.notEqual(relid, guest.relid);
  return guest.driver.open(relid) as GuestChannel;
}

test('a second channel carries commands and answers them itself', () => {
  const disk = new MemoryDisk();
  const guest = new ScsiGuest([disk], { offersSubChannels: true }).start();
  const properties = guest.control(10).packet;
  assert.deepEqual([properties[16], properties[20]], [1, 1]);
  const channel = openSubChannel(guest);
  disk.bytes.fill(4, 0, SECTOR);
  assert.equal(guest.scsi(read10(0, 1), SECTOR, { channel }).length, SECTOR);
  assert.equal(guest.data(1)[0], 4);
  assert.deepEqual(answered(guest), []);
  guest.send(Uint8Array.from({ length: 64 }, (_, i) => i === 0 ? 7 : 0), undefined, channel);
  const [answer] = channel.receiveAll();
  assert.notEqual(answerOf(answer!.payload).status, 0, 'the handshake is the first channel\'s');
  assert.equal(guest.scsi(read10(0, 1), SECTOR).length, SECTOR, 'and did not begin anew');
});

test('a unit that is added or removed is looked for', () => {
  const disk = new MemoryDisk();
  const guest = new ScsiGuest([disk]).start();
  guest.controller.units[3] = guest.unit(new MemoryDisk(), 3);
  guest.controller.unitsChanged();
  guest.channel.ring();
  const [packet] = guest.channel.receiveAll();
  assert.deepEqual([packet?.type, packet?.transaction, packet?.payload[0], packet?.payload.length], [6, 0, 11, 64]);
  assert.equal(guest.scsi(read10(0, 1), SECTOR, { lun: 3 }).srb, 1);
  guest.controller.units[3] = undefined;
  assert.equal(guest.scsi(read10(0, 1), SECTOR, { lun: 3 }).srb, 0x20);
});

test('a disk that has grown says so once', () => {
  const guest = new ScsiGuest([new MemoryDisk()]).start();
  (guest.controller.units[0] as LogicalUnit).resized();
  assert.equal(guest.scsi([0x12, 0, 0, 0, 36, 0], 36).srb, 1, 'INQUIRY does not take the news');
  assert.equal(guest.scsi([0, 0, 0, 0, 0, 0]).sense, '062a09');
  assert.equal(guest.scsi([0, 0, 0, 0, 0, 0]).srb, 1);
});

test('what a dead thread has left on a channel waits until that channel is open again', () => {
  const disk = new MemoryDisk();
  const guest = new ScsiGuest([disk], { offersSubChannels: true, limits: { operations: 1 } }).start();
  const channel = openSubChannel(guest);
  const sent = [guest.send(...scsiPacket(write10(0, 16), 8192)), ...[1, 2].map((address) =>
    guest.send(...scsiPacket(write10(address, 16), 8192), channel))];
  const bus = guest.driver.bus.saveState();
  const driver = new GuestDriver({ port: guest.driver.port });
  new Uint8Array(driver.memory.buffer).set(new Uint8Array(guest.driver.memory.buffer));
  const controller = guest.makeController(driver, { offersSubChannels: true });
  controller.turn();
  assert.equal((controller.inspect() as { unanswered: number }).unanswered, 2);
  driver.bus.offer(controller);
  driver.bus.offer(controller.subChannel(1), 1);
  driver.bus.restoreState(bus);
  driver.bus.poll();
  assert.equal((controller.inspect() as { unanswered: number }).unanswered, 0);
  assert.equal(sent.length, disk.log.filter((line) => line.startsWith('write')).length);
});
