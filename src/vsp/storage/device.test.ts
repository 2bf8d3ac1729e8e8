/** The controller against a guest in memory: the protocol, the commands, and what a hostile guest gets. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperatingError } from '../../kit/errors.ts';
import { GuestDriver } from '../../vmbus/testing/guest-driver.ts';
import {
  answerOf, DATA_GPA, DATA_PAGE, MemoryDisk, read10, ScsiGuest, SECTOR, started, write10,
} from './testing/scsi-guest.ts';

test('versions are agreed on, limits told, and nothing is done before', () => {
  const machine = new ScsiGuest([new MemoryDisk()]);
  assert.notEqual(machine.control(9, [2, 6, 0, 0]).status, 0, 'a version before the beginning');
  assert.notEqual(machine.scsi([0, 0, 0, 0, 0, 0]).status, 0, 'a command before the end of the handshake');
  assert.equal(machine.control(7).status, 0);
  assert.equal(machine.control(9, [9, 9, 0, 0]).status, 0xc000_0059);
  assert.equal(machine.control(9, [2, 6, 0, 0]).status, 0);
  const properties = machine.control(10);
  assert.equal(new DataView(properties.packet.buffer).getUint32(12 + 12, true), 0x4_0000);
  assert.equal(machine.control(8).status, 0);
  assert.equal(machine.scsi([0, 0, 0, 0, 0, 0]).srb, 1);
  for (const operation of [1, 2, 12, 13, 77]) assert.notEqual(machine.control(operation).status, 0, `${operation}`);
});

test('what is written is read back, whatever the pages', () => {
  const disk = new MemoryDisk();
  const machine = started(disk);
  const pattern = Uint8Array.from({ length: 8192 }, (_, i) => (i * 7) % 251);
  machine.driver.memory.write(DATA_GPA + 100, pattern);
  assert.equal(machine.scsi(write10(3, 16), 8192, { offset: 100 }).srb, 1);
  assert.deepEqual(disk.bytes.subarray(3 * SECTOR, 3 * SECTOR + 8192), pattern);
  assert.deepEqual(disk.log, [`write 8192@${3 * SECTOR}`, 'settle']);
  const pages = [DATA_PAGE + 9, DATA_PAGE + 4, DATA_PAGE + 7];
  const answer = machine.scsi(read10(3, 16), 8192, { offset: 100, pages });
  assert.deepEqual([answer.srb, answer.length], [1, 8192]);
  assert.deepEqual(machine.data(3996, 9 * 4096 + 100), pattern.subarray(0, 3996));
  assert.deepEqual(machine.data(4096, 4 * 4096), pattern.subarray(3996, 8092));
  assert.deepEqual(machine.data(100, 7 * 4096), pattern.subarray(8092));
  assert.equal(machine.scsi([0x0a, 0, 0, 9, 1, 0], SECTOR).srb, 1);
  assert.equal(machine.scsi([0x88, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0], SECTOR).length, SECTOR);
  assert.equal(machine.scsi([0xa8, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0], SECTOR).length, SECTOR);
});

test('a flush and a write with FUA reach the medium before the answer', () => {
  const disk = new MemoryDisk();
  const machine = started(disk);
  assert.equal(machine.scsi([0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0]).srb, 1);
  assert.equal(machine.scsi(write10(0, 1, 0x08), SECTOR).srb, 1);
  assert.deepEqual(disk.log, ['flush 0@0', `write ${SECTOR}@0`, 'flush 0@0', 'settle']);
});

test('what is out of bounds never reaches the disk', () => {
  const disk = new MemoryDisk();
  const machine = started(disk);
  assert.equal(machine.scsi(read10(256, 1), SECTOR).sense, '052100');
  assert.equal(machine.scsi(read10(255, 2), 1024).sense, '052100');
  const beyond = [0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0];
  assert.equal(machine.scsi(beyond, SECTOR).sense, '052100');
  assert.equal(machine.scsi(read10(0, 2), SECTOR).sense, '052400', 'more blocks than there is room for');
  assert.equal(machine.scsi(read10(0, 1)).sense, '052400', 'no room at all');
  assert.equal(machine.scsi(read10(0, 1), SECTOR, { pages: [0xffff_ffff] }).srb, 6, 'a page that is not RAM');
  assert.equal(machine.scsi(read10(0, 1), SECTOR, { pages: [2 ** 52 - 1] }).srb, 6);
  assert.equal(machine.scsi(read10(0, 1), SECTOR, { pages: [] }).srb, 6, 'fewer pages than bytes');
  assert.equal(machine.scsi(read10(0, 1), 0x5_0000, { pages: [1] }).srb, 6, 'longer than we allow');
  assert.equal(machine.scsi([0xde, 0, 0, 0, 0, 0]).sense, '052000');
  assert.equal(machine.scsi([0x28, 0, 0]).sense, '052400', 'half a command');
  assert.deepEqual(disk.log, []);
  assert.equal(machine.channel.send(new Uint8Array(40), { flags: 1, transaction: 99 }), true);
  const [short] = machine.channel.receiveAll();
  assert.notEqual(answerOf(short!.payload).status, 0, 'a short packet');
});

test('a read-only disk says so and is not written to', () => {
  const disk = new MemoryDisk(true);
  const machine = started(disk);
  assert.equal(machine.scsi(write10(0, 1), SECTOR).sense, '072700');
  assert.equal(machine.scsi([0x93, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], SECTOR).sense, '072700');
  machine.scsi([0x1a, 0, 0x3f, 0, 64, 0], 64);
  assert.equal(machine.data(4)[2]! & 0x80, 0x80);
  assert.deepEqual(disk.log, []);
});

test('an error of the host becomes sense data, and a full host disk its own', () => {
  const disk = new MemoryDisk();
  const machine = started(disk);
  disk.failure = new OperatingError('host', 'cannot read it');
  assert.equal(machine.scsi(read10(0, 1), SECTOR).sense, '031100');
  assert.equal(machine.scsi(write10(0, 1), SECTOR).sense, '030c00');
  assert.equal(machine.scsi([0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0]).sense, '044400');
  disk.failure = new OperatingError('host', 'no room', { cause: Object.assign(new Error(), { code: 'ENOSPC' }) });
  assert.equal(machine.scsi(write10(0, 1), SECTOR).sense, '072707');
  disk.failure = undefined;
  assert.equal(machine.scsi(write10(0, 1), SECTOR).srb, 1);
});

test('a write whose disk does not settle has failed', () => {
  const disk = new MemoryDisk();
  const machine = started(disk);
  disk.settleSync = () => {
    throw new OperatingError('host', 'cannot settle');
  };
  assert.equal(machine.scsi(write10(0, 1), SECTOR).sense, '030c00');
  assert.equal(machine.scsi(read10(0, 1), SECTOR).srb, 1);
});

test('units, and places where there are none', () => {
  const machine = started(new MemoryDisk(), new MemoryDisk());
  const list = machine.scsi([0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0], 64);
  assert.equal(list.length, 24);
  assert.deepEqual([...machine.data(24)].map((byte, i) => byte && [i, byte]).filter(Boolean), [[3, 16], [17, 1]]);
  assert.equal(machine.scsi([0x12, 0, 0, 0, 36, 0], 36, { lun: 1 }).length, 36);
  assert.equal(Buffer.from(machine.data(32)).toString('latin1', 8), 'Msft    Virtual Disk    ');
  assert.equal(machine.data(1)[0], 0);
  for (const place of [{ lun: 2 }, { lun: 255 }, { target: 1 }]) {
    assert.equal(machine.scsi([0x12, 0, 0, 0, 36, 0], 36, place).srb, 1);
    assert.equal(machine.data(1)[0], 0x7f);
    assert.equal(machine.scsi([0, 0, 0, 0, 0, 0], 0, place).srb, 0x20);
  }
});

test('capacity and pages of vital data', () => {
  const machine = started(new MemoryDisk());
  assert.equal(machine.scsi([0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8).length, 8);
  assert.deepEqual([...machine.data(8)], [0, 0, 0, 255, 0, 0, 2, 0]);
  assert.equal(machine.scsi([0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0], 32).length, 32);
  assert.deepEqual([...machine.data(16)], [0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 2, 0, 0, 3, 0xc0, 0]);
  machine.scsi([0x12, 1, 0, 0, 64, 0], 64);
  const pages = [...machine.data(10)].slice(4, 4 + machine.data(4)[3]!);
  assert.deepEqual(pages, [0, 0x80, 0x83, 0xb0, 0xb1, 0xb2]);
  for (const page of pages) {
    const { srb, length } = machine.scsi([0x12, 1, page, 0, 255, 0], 255);
    assert.deepEqual([srb, machine.data(2)[1], length], [1, page, machine.data(4)[3]! + 4]);
  }
  assert.equal(machine.scsi([0x12, 1, 0x99, 0, 255, 0], 255).sense, '052400');
  assert.equal(machine.scsi([0x12, 1, 0xb0, 0, 4, 0], 255).length, 4, 'no more than was allowed');
});

test('blocks are given back and filled', () => {
  const disk = new MemoryDisk();
  const machine = started(disk);
  disk.bytes.fill(9);
  const list = new Uint8Array(24);
  list.set([0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 4]);
  machine.driver.memory.write(DATA_GPA, list);
  assert.equal(machine.scsi([0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0], 24).srb, 1);
  list[19] = 255;
  machine.driver.memory.write(DATA_GPA, list);
  assert.equal(machine.scsi([0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0], 24).sense, '052100');
  list[3] = 24;
  machine.driver.memory.write(DATA_GPA, list);
  assert.equal(machine.scsi([0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0], 24).sense, '052600');
  machine.driver.memory.write(DATA_GPA, new Uint8Array(SECTOR).fill(5));
  assert.equal(machine.scsi([0x41, 0, 0, 0, 0, 20, 0, 0, 3, 0], SECTOR).srb, 1);
  assert.equal(machine.scsi([0x41, 0, 0, 0, 0, 20, 0, 0, 0, 0], SECTOR).sense, '052400');
  const expected = new Uint8Array(disk.bytes.length).fill(9);
  expected.fill(0, 8 * SECTOR, 12 * SECTOR).fill(5, 20 * SECTOR, 23 * SECTOR);
  assert.deepEqual(disk.bytes, expected);
  assert.equal(machine.scsi([0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0], 40).length, 40);
  assert.deepEqual([...machine.data(40)].filter((_, i) => [3, 19, 20, 31, 35, 36].includes(i)), [36, 8, 0, 8, 248, 1]);
});

test('unanswered requests are done again by a service that starts over', () => {
  const disk = new MemoryDisk();
  const machine = started(disk);
  machine.driver.memory.write(DATA_GPA, new Uint8Array(SECTOR).fill(3));
  machine.scsi(write10(5, 1), SECTOR);
  // The thread ended when it had acted and neither settled nor answered: what the table holds says so.
  const slot = (64 + 5 * 1024) / 4;
  const words = new Int32Array(machine.requests[0] as SharedArrayBuffer);
  words.set([0, 1, 1], slot + 1);
  disk.bytes.fill(0);
  const bus = machine.driver.bus.saveState();
  const state = machine.makeController(machine.driver).saveState();
  words.fill(0);
  const other = new GuestDriver({ port: machine.driver.port });
  new Uint8Array(other.memory.buffer).set(new Uint8Array(machine.driver.memory.buffer));
  const restored = machine.makeController(other);
  restored.restoreState(state);
  other.bus.offer(restored);
  other.bus.restoreState(bus);
  other.bus.poll();
  assert.equal(disk.bytes[5 * SECTOR], 3, 'written again');
  assert.equal((restored.inspect() as { unanswered: number }).unanswered, 0, 'and answered');
  assert.throws(() => restored.restoreState({ ...state, version: 2 }), /version 2/);
});
