/** A DVD drive as Linux's sr driver meets it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk, read10, ScsiGuest } from './testing/scsi-guest.ts';
import type { DvdDrive } from './dvd-drive.ts';

class MemoryMedium extends MemoryDisk {
  override readonly geometry = { sizeBytes: 65536, logicalSectorBytes: 2048, physicalSectorBytes: 2048 };
}

function withDrive(medium: MemoryMedium | undefined): { guest: ScsiGuest; drive: DvdDrive } {
  const guest = new ScsiGuest([], { units: (each) => [each.drive(medium, 0)] }).start();
  return { guest, drive: guest.controller.units[0] as DvdDrive };
}

const EVENT = [0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0];
const READY = [0, 0, 0, 0, 0, 0];
const EJECT = [0x1b, 0, 0, 0, 2, 0];

test('a drive says what it is, and reads what is in it', () => {
  const medium = new MemoryMedium(true);
  medium.bytes.fill(7, 4096, 6144);
  const { guest } = withDrive(medium);
  assert.equal(guest.scsi([0x12, 0, 0, 0, 36, 0], 36).length, 36);
  assert.deepEqual([...guest.data(2)], [5, 0x80]);
  assert.equal(Buffer.from(guest.data(32)).toString('latin1', 16), 'Virtual DVD-ROM ');
  guest.scsi([0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8);
  assert.deepEqual([...guest.data(8)], [0, 0, 0, 31, 0, 0, 8, 0]);
  assert.equal(guest.scsi(read10(2, 1), 2048).length, 2048);
  assert.ok(guest.data(2048).every((byte) => byte === 7));
  assert.equal(guest.scsi(read10(31, 2), 4096).sense, '052100');
  assert.equal(guest.scsi(read10(0, 2), 2048).sense, '052400');
  assert.equal(guest.scsi([0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0], 2048).sense, '052000', 'it takes no writes');
  guest.scsi([0x1a, 0, 0x2a, 0, 128, 0], 128);
  assert.deepEqual([...guest.data(8)].slice(2, 7), [0x80, 0, 0x2a, 20, 0x1b]);
  assert.equal(guest.scsi([0x12, 1, 0x83, 0, 64, 0], 64).length, 24);
  assert.equal(guest.scsi([0x12, 1, 0xb0, 0, 64, 0], 64).sense, '052400');
});

test('the table of contents, in blocks and in minutes', () => {
  const { guest } = withDrive(new MemoryMedium(true));
  assert.equal(guest.scsi([0x43, 0, 0, 0, 0, 0, 0, 0, 64, 0], 64).length, 20);
  assert.deepEqual([...guest.data(20)], [0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0, 32]);
  guest.scsi([0x43, 2, 0, 0, 0, 0, 0xaa, 0, 64, 0], 64);
  assert.deepEqual([...guest.data(12)].slice(4), [0, 0x14, 0xaa, 0, 0, 0, 2, 32]);
  assert.equal(guest.scsi([0x43, 0, 0, 0, 0, 0, 0, 0, 64, 0x40], 64).length, 12, 'sessions, as asked of old');
  assert.equal(guest.scsi([0x43, 0, 2, 0, 0, 0, 0, 0, 64, 0], 64).sense, '052400');
  assert.equal(guest.scsi([0x43, 0, 0, 0, 0, 0, 2, 0, 64, 0], 64).sense, '052400');
  assert.equal(guest.scsi([0x51, 0, 0, 0, 0, 0, 0, 0, 64, 0], 64).length, 34);
  assert.equal(guest.scsi([0x52, 1, 0, 0, 0, 1, 0, 0, 64, 0], 64).length, 36);
  assert.equal(guest.data(28)[27], 32);
  assert.equal(guest.scsi([0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0], 8).length, 8);
});

test('what the drive can do depends on what is in it', () => {
  const { guest, drive } = withDrive(undefined);
  const profileOf = (): number => {
    guest.scsi([0x46, 0, 0, 0, 0, 0, 0, 1, 0, 0], 256);
    return guest.data(8)[7]!;
  };
  assert.equal(profileOf(), 0);
  assert.equal(guest.scsi([0x46, 1, 0, 0x10, 0, 0, 0, 1, 0, 0], 256).length, 8, 'nothing that reads is current');
  drive.change(new MemoryMedium(true));
  assert.equal(profileOf(), 0x10);
  assert.equal(guest.scsi([0x46, 2, 0, 0x10, 0, 0, 0, 1, 0, 0], 256).length, 20);
  assert.deepEqual([...guest.data(12)].slice(8), [0, 0x10, 1, 8]);
});

test('a medium comes and goes, and the guest hears of it', () => {
  const { guest, drive } = withDrive(undefined);
  assert.equal(guest.scsi(READY).sense, '023a00');
  assert.equal(guest.scsi(read10(0, 1), 2048).sense, '023a00');
  guest.scsi(EVENT, 8);
  assert.deepEqual([...guest.data(8)], [0, 6, 4, 0x10, 0, 0, 0, 0]);
  drive.change(new MemoryMedium(true));
  guest.scsi(EVENT, 8);
  assert.deepEqual([...guest.data(8)].slice(4), [2, 2, 0, 0]);
  guest.scsi(EVENT, 8);
  assert.equal(guest.data(8)[4], 0, 'told once');
  assert.equal(guest.scsi(READY).sense, '062800');
  assert.equal(guest.scsi(READY).srb, 1);
  drive.change(undefined);
  guest.scsi(EVENT, 8);
  assert.deepEqual([...guest.data(8)].slice(4), [3, 0, 0, 0]);
  assert.equal(guest.scsi(READY).sense, '023a00');
  assert.equal(guest.scsi([0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8, 0], 8).sense, '052400', 'only when asked');
});

test('the guest takes the medium out, unless it has locked the drive', () => {
  const { guest } = withDrive(new MemoryMedium(true));
  assert.equal(guest.scsi([0x1e, 0, 0, 0, 1, 0]).srb, 1);
  assert.equal(guest.scsi(EJECT).sense, '055302');
  assert.equal(guest.scsi([0x1e, 0, 0, 0, 0, 0]).srb, 1);
  assert.equal(guest.scsi(EJECT).srb, 1);
  assert.deepEqual(guest.conditions, ['ejected memory']);
  assert.equal(guest.scsi(READY).sense, '023a00');
  assert.equal(guest.scsi(EJECT).srb, 1, 'an empty drive opens, too');
  assert.equal(guest.scsi([0x1b, 0, 0, 0, 3, 0]).sense, '023a00');
});
