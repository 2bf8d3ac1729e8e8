/** The controller against a guest in memory: the protocol, the commands, and what a hostile guest gets. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperatingError } from '../../kit/errors.ts';
import { ClassId } from '../../protocols/vmbus/class-ids.ts';
import type { GuestChannel } from '../../vmbus/testing/guest-channel.ts';
import { GuestDriver } from '../../vmbus/testing/guest-driver.ts';
import { StorageController } from './device.ts';
import type { StorageDisk, StorageExtent } from './disk-port.ts';
import { LogicalUnit } from './logical-unit.ts';
import { REQUEST_TABLE_BYTES } from './request-table.ts';

const SECTOR = 512;
const DATA_PAGE = 1024;
const DATA_GPA = DATA_PAGE * 4096;

class MemoryDisk implements StorageDisk {
  readonly name = 'memory';
  readonly blockBytes = 4096;
  readonly isReadOnly: boolean;
  readonly geometry = { sizeBytes: 256 * SECTOR, logicalSectorBytes: SECTOR, physicalSectorBytes: 4096 };
  readonly bytes = new Uint8Array(256 * SECTOR);
  readonly log: string[] = [];
  failure: Error | undefined;

  constructor(isReadOnly = false) {
    this.isReadOnly = isReadOnly;
  }

  readSync(target: Uint8Array, at: number, length: number, position: number): void {
    this.#note('read', length, position);
    target.set(this.bytes.subarray(position, position + length), at);
  }

  writeSync(source: Uint8Array, at: number, length: number, position: number): void {
    this.#note('write', length, position);
    this.bytes.set(source.subarray(at, at + length), position);
  }

  flushSync(): void {
    this.#note('flush', 0, 0);
  }

  settleSync(): void {
    this.log.push('settle');
  }

  discardSync(position: number, length: number): void {
    this.#note('discard', length, position);
    this.bytes.fill(0, position, position + length);
  }

  extentAt(position: number, extent: StorageExtent): void {
    extent.state = position < 4096 ? 'data' : 'zero';
    extent.lengthBytes = position < 4096 ? 4096 - position : this.geometry.sizeBytes - position;
  }

  #note(what: string, length: number, position: number): void {
    if (position % SECTOR !== 0 || length % SECTOR !== 0 || position + length > this.geometry.sizeBytes) {
      throw new Error(`${what} of ${length} at ${position} must not reach a disk`);
    }
    if (this.failure !== undefined) throw this.failure;
    this.log.push(`${what} ${length}@${position}`);
  }
}

interface Answer {
  readonly status: number;
  readonly srb: number;
  readonly scsi: number;
  readonly length: number;
  /** Key, code and qualifier when there is sense data. */
  readonly sense: string;
  readonly packet: Uint8Array;
}

interface ScsiOptions {
  readonly lun?: number;
  readonly target?: number;
  /** Of the data within its first page. */
  readonly offset?: number;
  readonly pages?: readonly number[];
}

class Machine {
  readonly driver = new GuestDriver();
  readonly disks: StorageDisk[];
  readonly requests = new SharedArrayBuffer(REQUEST_TABLE_BYTES);
  readonly controller: StorageController;
  readonly channel: GuestChannel;
  #transaction = 1;

  constructor(...disks: StorageDisk[]) {
    this.disks = disks;
    this.controller = new StorageController({
      instanceId: '00000000-0000-0000-0000-000000000001',
      memory: this.driver.memory,
      requests: this.requests,
      units: disks.map((disk, lun) => new LogicalUnit({ disk, identity: new Uint8Array(16).fill(0x60 + lun) })),
      onMemoryWritten: () => {},
    });
    this.driver.bus.offer(this.controller);
    const relid = this.driver.connect().get(ClassId.Scsi);
    this.channel = this.driver.open(relid as number) as GuestChannel;
  }

  control(operation: number, body: readonly number[] = []): Answer {
    const payload = new Uint8Array(64);
    payload.set([operation, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, ...body]);
    return this.#exchange(payload);
  }

  start(): this {
    for (const [operation, body] of [[7, []], [9, [0x02, 0x06, 0, 0]], [10, []], [8, []]] as const) {
      assert.equal(this.control(operation, body).status, 0);
    }
    return this;
  }

  /** A command whose data, if any, lies at DATA_GPA plus `offset`. */
  scsi(cdb: readonly number[], length = 0, options: ScsiOptions = {}): Answer {
    const payload = new Uint8Array(64);
    const view = new DataView(payload.buffer);
    view.setUint32(0, 3, true);
    payload.set([52, 0, 0, 0, 0, 0, options.target ?? 0, options.lun ?? 0, cdb.length, 20], 12);
    view.setUint32(24, length, true);
    payload.set(cdb, 28);
    if (length === 0) return this.#exchange(payload);
    const offset = options.offset ?? 0;
    const pages = options.pages ?? Array.from({ length: Math.ceil((offset + length) / 4096) }, (_, i) => DATA_PAGE + i);
    const range = new Uint8Array(16 + pages.length * 8);
    const rangeView = new DataView(range.buffer);
    rangeView.setUint32(4, 1, true);
    rangeView.setUint32(8, length, true);
    rangeView.setUint32(12, offset, true);
    pages.forEach((page, i) => {
      rangeView.setUint32(16 + i * 8, page, true);
      rangeView.setUint32(20 + i * 8, Math.floor(page / 2 ** 32), true);
    });
    return this.#exchange(payload, range);
  }

  data(length: number, offset = 0): Uint8Array {
    return this.driver.memory.read(DATA_GPA + offset, length) as Uint8Array;
  }

  #exchange(payload: Uint8Array, range?: Uint8Array): Answer {
    const transaction = this.#transaction++;
    // A GPA-direct packet has its ranges before the payload.
    this.channel.send(payload, { flags: 1, transaction, ...(range && { type: 9, header: range }) });
    const [packet, ...more] = this.channel.receiveAll();
    assert.equal(more.length, 0);
    assert.equal(packet?.type, 0xb);
    assert.equal(packet.transaction, transaction);
    return answerOf(packet.payload);
  }
}

function answerOf(packet: Uint8Array): Answer {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  assert.equal(packet.length, 64);
  assert.equal(view.getUint32(0, true), 1, 'an answer says that I/O is complete');
  const srb = view.getUint8(14);
  return {
    status: view.getUint32(8, true),
    srb,
    scsi: view.getUint8(15),
    length: view.getUint32(24, true),
    sense: (srb & 0x80) === 0 ? '' : Buffer.from([packet[30], packet[40], packet[41]] as number[]).toString('hex'),
    packet,
  };
}

const started = (...disks: StorageDisk[]): Machine => new Machine(...disks).start();
const read10 = (address: number, blocks: number): number[] =>
  [0x28, 0, 0, 0, address >> 8, address & 0xff, 0, blocks >> 8, blocks & 0xff, 0];
const write10 = (address: number, blocks: number, flags = 0): number[] =>
  [0x2a, flags, 0, 0, address >> 8, address & 0xff, 0, blocks >> 8, blocks & 0xff, 0];

test('versions are agreed on, limits told, and nothing is done before', () => {
  const machine = new Machine(new MemoryDisk());
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
  // The thread ended when it had acted and not answered: what the table holds says so.
  const words = new Int32Array(machine.requests);
  words[0] = (words[0] as number) - 1;
  disk.bytes.fill(0);
  const state = machine.controller.saveState();
  const bus = machine.driver.bus.saveState();
  const other = new GuestDriver({ port: machine.driver.port });
  new Uint8Array(other.memory.buffer).set(new Uint8Array(machine.driver.memory.buffer));
  const restored = new StorageController({
    instanceId: machine.controller.description.instanceId,
    memory: other.memory,
    requests: new SharedArrayBuffer(REQUEST_TABLE_BYTES),
    units: [new LogicalUnit({ disk, identity: new Uint8Array(16) })],
    onMemoryWritten: () => {},
  });
  restored.restoreState(state);
  other.bus.offer(restored);
  other.bus.restoreState(bus);
  other.bus.poll();
  assert.equal(disk.bytes[5 * SECTOR], 3, 'written again');
  assert.equal((restored.inspect() as { unanswered: number }).unanswered, 0, 'and answered');
  assert.throws(() => restored.restoreState({ version: 2, requests: undefined }), /version 2/);
});
