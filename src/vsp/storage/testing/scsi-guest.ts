/** A guest's driver against a controller in memory, and disks that note what was done to them. */

import assert from 'node:assert/strict';
import { ClassId } from '../../../protocols/vmbus/class-ids.ts';
import type { GuestChannel } from '../../../vmbus/testing/guest-channel.ts';
import { GuestDriver } from '../../../vmbus/testing/guest-driver.ts';
import { StorageController } from '../device.ts';
import type { StorageDisk, StorageExtent } from '../disk-port.ts';
import { DvdDrive } from '../dvd-drive.ts';
import { LogicalUnit } from '../logical-unit.ts';
import type { RateLimits } from '../rate-limit.ts';
import { REQUEST_TABLE_BYTES } from '../request-table.ts';
import type { Unit } from '../unit.ts';
import { UNIT_STATES_BYTES, UnitState } from '../unit-state.ts';

export const SECTOR = 512;
export const DATA_PAGE = 1024;
export const DATA_GPA = DATA_PAGE * 4096;

export class MemoryDisk implements StorageDisk {
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

export interface Answer {
  readonly status: number;
  readonly srb: number;
  readonly scsi: number;
  readonly length: number;
  /** Key, code and qualifier when there is sense data. */
  readonly sense: string;
  readonly packet: Uint8Array;
}

export interface ScsiOptions {
  readonly lun?: number;
  readonly target?: number;
  /** Of the data within its first page. */
  readonly offset?: number;
  readonly pages?: readonly number[];
  readonly channel?: GuestChannel;
}

export interface GuestOptions {
  readonly limits?: RateLimits;
  readonly waitsForRoom?: boolean;
  readonly offersSubChannels?: boolean;
  readonly units?: (guest: ScsiGuest) => readonly (Unit | undefined)[];
}

export class ScsiGuest {
  readonly driver = new GuestDriver();
  readonly disks: StorageDisk[];
  readonly requests = [0, 1].map(() => new SharedArrayBuffer(REQUEST_TABLE_BYTES));
  readonly unitStates = new SharedArrayBuffer(UNIT_STATES_BYTES);
  readonly controller: StorageController;
  readonly channel: GuestChannel;
  readonly relid: number;
  nowMs = 1000;
  /** What the controller has told of units. */
  readonly conditions: string[] = [];
  /** How many channels the guest was offered beside the first. */
  subChannels = 0;
  transaction = 1;

  constructor(disks: readonly StorageDisk[], options: GuestOptions = {}) {
    this.disks = [...disks];
    this.controller = this.makeController(this.driver, options);
    this.driver.bus.offer(this.controller);
    this.relid = this.driver.connect().get(ClassId.Scsi) as number;
    this.channel = this.driver.open(this.relid) as GuestChannel;
  }

  /** Another controller over the same memory, as a service that starts again makes it. */
  makeController(driver: GuestDriver, options: GuestOptions = {}): StorageController {
    const controller = new StorageController({
      instanceId: '00000000-0000-0000-0000-000000000001',
      memory: driver.memory,
      requests: this.requests,
      unitStates: this.unitStates,
      units: options.units?.(this) ?? this.disks.map((disk, lun) => this.unit(disk, lun, options)),
      onMemoryWritten: () => {},
      nowMs: () => this.nowMs,
      ...(options.offersSubChannels === true && {
        onSubChannels: (count: number) => {
          this.subChannels = count;
          for (let index = 1; index <= count; index++) driver.bus.offer(controller.subChannel(index), index);
        },
      }),
      onCondition: (lun, condition) => this.conditions.push(`${lun}: ${condition}`),
    });
    return controller;
  }

  unit(disk: StorageDisk, lun: number, options: GuestOptions = {}): Unit {
    return new LogicalUnit({
      disk, identity: new Uint8Array(16).fill(0x60 + lun), state: new UnitState(this.unitStates, lun),
      limits: options.limits, waitsForRoom: options.waitsForRoom === true,
    });
  }

  drive(medium: StorageDisk | undefined, lun: number): DvdDrive {
    return new DvdDrive({
      medium, identity: new Uint8Array(16).fill(0x60 + lun), state: new UnitState(this.unitStates, lun),
      onEject: (ejected) => this.conditions.push(`ejected ${ejected.name}`),
    });
  }

  control(operation: number, body: readonly number[] = []): Answer {
    const payload = new Uint8Array(64);
    payload.set([operation, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, ...body]);
    return this.#exchange([payload, undefined]);
  }

  start(): this {
    for (const [operation, body] of [[7, []], [9, [0x02, 0x06, 0, 0]], [10, []], [8, []]] as const) {
      assert.equal(this.control(operation, body).status, 0);
    }
    return this;
  }

  /** A command whose data, if any, lies at DATA_GPA plus `offset`. */
  scsi(cdb: readonly number[], length = 0, options: ScsiOptions = {}): Answer {
    return this.#exchange(scsiPacket(cdb, length, options), options.channel);
  }

  data(length: number, offset = 0): Uint8Array {
    return this.driver.memory.read(DATA_GPA + offset, length) as Uint8Array;
  }

  /** Sends a request; the answer comes when it comes. */
  send(payload: Uint8Array, range?: Uint8Array, channel = this.channel): number {
    const transaction = this.transaction++;
    // A GPA-direct packet has its ranges before the payload.
    channel.send(payload, { flags: 1, transaction, ...(range && { type: 9, header: range }) });
    return transaction;
  }

  #exchange([payload, range]: ScsiPacket, channel = this.channel): Answer {
    const transaction = this.send(payload, range, channel);
    const [packet, ...more] = channel.receiveAll();
    assert.equal(more.length, 0);
    assert.equal(packet?.type, 0xb);
    assert.equal(packet.transaction, transaction);
    return answerOf(packet.payload);
  }
}

export type ScsiPacket = readonly [payload: Uint8Array, range: Uint8Array | undefined];

/** A request as it crosses the ring. */
export function scsiPacket(cdb: readonly number[], length = 0, options: ScsiOptions = {}): ScsiPacket {
  const payload = new Uint8Array(64);
  const view = new DataView(payload.buffer);
  view.setUint32(0, 3, true);
  payload.set([52, 0, 0, 0, 0, 0, options.target ?? 0, options.lun ?? 0, cdb.length, 20], 12);
  view.setUint32(24, length, true);
  payload.set(cdb, 28);
  if (length === 0) return [payload, undefined];
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
  return [payload, range];
}

export function answerOf(packet: Uint8Array): Answer {
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

export const started = (...disks: StorageDisk[]): ScsiGuest => new ScsiGuest(disks).start();
export const read10 = (address: number, blocks: number): number[] =>
  [0x28, 0, 0, 0, address >> 8, address & 0xff, 0, blocks >> 8, blocks & 0xff, 0];
export const write10 = (address: number, blocks: number, flags = 0): number[] =>
  [0x2a, flags, 0, 0, address >> 8, address & 0xff, 0, blocks >> 8, blocks & 0xff, 0];
