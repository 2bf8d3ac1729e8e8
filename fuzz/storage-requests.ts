/**
 * Whatever a guest asks of the SCSI controller, every request is answered once, in order, and nothing reaches the disk
 * that is not whole sectors inside it.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { OperatingError } from '../src/kit/errors.ts';
import { ClassId } from '../src/protocols/vmbus/class-ids.ts';
import { MmcCommand } from '../src/protocols/mmc.ts';
import { ScsiCommand } from '../src/protocols/scsi.ts';
import type { GuestChannel } from '../src/vmbus/testing/guest-channel.ts';
import { GuestDriver } from '../src/vmbus/testing/guest-driver.ts';
import { StorageController } from '../src/vsp/storage/device.ts';
import type { StorageDisk, StorageExtent } from '../src/vsp/storage/disk-port.ts';
import { DvdDrive } from '../src/vsp/storage/dvd-drive.ts';
import { LogicalUnit } from '../src/vsp/storage/logical-unit.ts';
import { REQUEST_TABLE_BYTES } from '../src/vsp/storage/request-table.ts';
import { UNIT_STATES_BYTES, UnitState } from '../src/vsp/storage/unit-state.ts';
import type { FuzzTarget } from '../tools/fuzz-target.ts';

const SECTOR = 512;
const SECTORS = 4096;

class StrictDisk implements StorageDisk {
  readonly name = 'strict';
  readonly isReadOnly: boolean;
  readonly blockBytes = 65536;
  readonly geometry = { sizeBytes: SECTORS * SECTOR, logicalSectorBytes: SECTOR, physicalSectorBytes: 4096 };
  readonly #failsEvery: number;
  #calls = 0;

  /** @param failsEvery the host refuses each n-th call; 0: none. */
  constructor(isReadOnly: boolean, failsEvery: number) {
    this.isReadOnly = isReadOnly;
    this.#failsEvery = failsEvery;
  }

  readSync(target: Uint8Array, at: number, length: number, position: number): void {
    this.#check(length, position);
    target.fill(1, at, at + length);
  }

  writeSync(source: Uint8Array, at: number, length: number, position: number): void {
    assert.ok(!this.isReadOnly && at + length <= source.length);
    this.#check(length, position);
  }

  discardSync(position: number, length: number): void {
    assert.ok(!this.isReadOnly);
    this.#check(length, position);
  }

  flushSync(): void {
    this.#check(0, 0);
  }

  settleSync(): void {
    this.#check(0, 0);
  }

  extentAt(position: number, extent: StorageExtent): void {
    this.#check(SECTOR, position);
    extent.state = 'data';
    extent.lengthBytes = Math.min(this.geometry.sizeBytes - position, 5 * SECTOR);
  }

  #check(length: number, position: number): void {
    assert.ok(position >= 0 && length >= 0 && position + length <= this.geometry.sizeBytes);
    assert.ok(position % SECTOR === 0 && length % SECTOR === 0);
    if (++this.#calls % this.#failsEvery === 0) throw new OperatingError('host', 'an I/O error, for a change');
  }
}

const request = fc.record({
  operation: fc.oneof({ weight: 9, arbitrary: fc.constant(3) }, { weight: 1, arbitrary: fc.nat({ max: 20 }) }),
  command: fc.oneof(
    fc.constantFrom(...Object.values(ScsiCommand), ...Object.values(MmcCommand)), fc.nat({ max: 255 })),
  flags: fc.constantFrom(0, 0, 0, 1, 2, 8, 9, 0x10, 0x12, 0xff),
  address: fc.oneof(fc.nat({ max: SECTORS + 8 }), fc.constantFrom(SECTORS - 1, SECTORS, 0xffff_ffff, 2 ** 52)),
  blocks: fc.oneof(fc.nat({ max: 520 }), fc.constantFrom(0, 1, 8, 0xffff, 0xffff_ffff)),
  noise: fc.array(fc.tuple(fc.nat({ max: 14 }), fc.nat({ max: 255 })), { maxLength: 2 }),
  place: fc.oneof({ weight: 8, arbitrary: fc.constantFrom([0, 0], [0, 0], [0, 1]) },
    fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 255 }))),
  cdbLength: fc.oneof({ weight: 8, arbitrary: fc.constant(16) }, fc.nat({ max: 255 })),
  length: fc.oneof(fc.constantFrom(0, 8, 511, 512, 4096, 65536, 262144, 262145, 0xffff_ffff), fc.nat({ max: 262144 })),
  offset: fc.constantFrom(0, 0, 1, 512, 4095, 4096),
  ranges: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, fc.constantFrom(0, 2, 0xffff_ffff)),
  pages: fc.array(fc.integer({ min: 1024, max: 2047 }), { minLength: 40, maxLength: 66 }),
  badPage: fc.oneof({ weight: 9, arbitrary: fc.constant(-1) }, fc.nat({ max: 70 })),
  size: fc.oneof({ weight: 9, arbitrary: fc.constant(64) }, fc.constantFrom(40, 0, 128)),
  isDirect: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.constant(false)),
});
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;

/** A command with its address and length where commands of its size have them. */
function commandOf({ command, flags, address, blocks, noise }: Request): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  bytes[1] = flags;
  switch (command >> 5) {
    case 0:
      view.setUint16(2, address);
      bytes[4] = blocks;
      break;
    case 4:
      view.setBigUint64(2, BigInt(address));
      view.setUint32(10, blocks);
      break;
    case 5:
      view.setUint32(2, address);
      view.setUint32(6, blocks);
      break;
    default:
      view.setUint32(2, address);
      view.setUint16(7, blocks);
  }
  for (const [at, value] of noise) bytes[1 + at] = value;
  bytes[0] = command;
  return bytes;
}

function send(channel: GuestChannel, values: Request, transaction: number): boolean {
  const payload = new Uint8Array(128);
  const view = new DataView(payload.buffer);
  view.setUint32(0, values.operation, true);
  payload.set([52, 0, 0, 0, 0, 0, ...values.place, values.cdbLength, 20], 12);
  view.setUint32(24, values.length, true);
  payload.set(commandOf(values), 28);
  // The version of QueryProtocolVersion lies where an SRB has its length.
  if (values.operation === 9) view.setUint16(12, values.cdbLength === 16 ? 0x602 : values.cdbLength, true);
  const header = new Uint8Array(values.isDirect ? 16 + values.pages.length * 8 : 0);
  if (values.isDirect) {
    const range = new DataView(header.buffer);
    range.setUint32(4, values.ranges, true);
    range.setUint32(8, values.length, true);
    range.setUint32(12, values.offset, true);
    values.pages.forEach((page, i) => {
      range.setBigUint64(16 + i * 8, BigInt(i === values.badPage ? 2 ** 40 : page), true);
    });
  }
  return channel.send(payload.subarray(0, values.size), {
    type: values.isDirect ? 9 : 6, flags: 1, transaction, header,
  });
}

function tryRequests(
  isReadOnly: boolean, negotiates: boolean, failsEvery: number, requests: readonly Request[],
): void {
  const driver = new GuestDriver();
  const unitStates = new SharedArrayBuffer(UNIT_STATES_BYTES);
  const identity = new Uint8Array(16);
  const medium = new StrictDisk(true, failsEvery);
  const unit = new LogicalUnit({
    disk: new StrictDisk(isReadOnly, failsEvery), identity, state: new UnitState(unitStates, 0),
  });
  const drive = new DvdDrive({ medium, identity, state: new UnitState(unitStates, 1), onEject: () => {} });
  const options = {
    instanceId: '00000000-0000-0000-0000-000000000001', memory: driver.memory, units: [unit, drive],
    requests: [new SharedArrayBuffer(REQUEST_TABLE_BYTES), new SharedArrayBuffer(REQUEST_TABLE_BYTES)], unitStates,
    onMemoryWritten: () => {}, nowMs: () => 0, onSubChannels: () => {},
  };
  const controller = new StorageController(options);
  driver.bus.offer(controller);
  const channel = driver.open(driver.connect().get(ClassId.Scsi) as number) as GuestChannel;
  const plain: Request = {
    operation: 7, command: 0, flags: 0, address: 0, blocks: 0, noise: [], place: [0, 0], cdbLength: 16, length: 0,
    offset: 0, ranges: 1, pages: [], badPage: -1, size: 64, isDirect: false,
  };
  let transaction = 1;
  const exchange = (values: Request): void => {
    if (!send(channel, values, transaction)) return;
    driver.bus.poll();
    const answers = channel.receiveAll();
    assert.deepEqual(answers.map((answer) => [answer.type, answer.transaction, answer.payload.length]),
      [[0xb, transaction, 64]]);
    transaction++;
  };
  if (negotiates) for (const operation of [7, 9, 10, 8]) exchange({ ...plain, operation });
  for (const [index, values] of requests.entries()) {
    if (index === requests.length >> 1) {
      unit.resized();
      drive.change(isReadOnly ? undefined : medium);
    }
    exchange(values);
  }
  assert.equal((controller.inspect() as { unanswered: number }).unanswered, 0);
  const state = controller.saveState();
  const unused = options.requests.map(() => new SharedArrayBuffer(REQUEST_TABLE_BYTES));
  const restored = new StorageController({ ...options, requests: unused });
  restored.restoreState(state);
  assert.deepEqual(restored.saveState(), state);
}

export const target: FuzzTarget = {
  name: 'storage-requests',
  covers: ['src/vsp/storage/'],
  run(seed, iterations) {
    const property = fc.property(fc.boolean(), fc.oneof(fc.constant(true), fc.constant(true), fc.boolean()),
      fc.constantFrom(0, 0, 2, 3, 5), fc.array(request, { maxLength: 20 }), tryRequests);
    fc.assert(property, { seed, numRuns: iterations });
  },
};
