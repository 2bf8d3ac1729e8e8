import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTimers } from '../../kit/timers.ts';
import { GuestUtility } from '../testing/guest-utility.ts';
import { FileCopy } from './device.ts';

function copying(): { service: FileCopy; utility: GuestUtility } {
  const service = new FileCopy({ timers: new ManualTimers() });
  const utility = new GuestUtility(service);
  assert.deepEqual(utility.negotiate(), ['1.1']);
  return { service, utility };
}

const textAt = (body: DataView, at: number, bytes: number): string =>
  Buffer.from(body.buffer, body.byteOffset + at, bytes).toString('utf16le').replace(/\0.*/s, '');

for (const size of [0, 1, 6144, 6145, 20_000]) {
  test(`a file of ${size} bytes goes over in pieces`, async () => {
    const { service, utility } = copying();
    const data = Uint8Array.from({ length: size }, (_, i) => (i * 13) & 0xff);
    const done = service.copy('/var/tmp/file.bin', data, { overwrite: true, createPath: true });
    const start = utility.expect();
    assert.equal(start.type, 7);
    assert.deepEqual([start.body.byteLength, start.body.getUint32(0, true)], [1088, 0]);
    assert.deepEqual([textAt(start.body, 36, 520), textAt(start.body, 556, 520)], ['file.bin', '/var/tmp/']);
    assert.equal(start.body.getUint32(1076, true), 3);
    assert.equal(start.body.getBigUint64(1080, true), BigInt(size));
    utility.answer(start);
    const copy = new Uint8Array(size);
    for (let at = 0; at < size; at += 6144) {
      await new Promise(setImmediate);
      const piece = utility.expect();
      const length = piece.body.getUint32(48, true);
      assert.equal(piece.body.getUint32(0, true), 1);
      assert.equal(piece.body.getBigUint64(40, true), BigInt(at));
      copy.set(new Uint8Array(piece.body.buffer, piece.body.byteOffset + 52, length), at);
      utility.answer(piece);
    }
    await new Promise(setImmediate);
    const end = utility.expect();
    assert.equal(end.body.getUint32(0, true), 2);
    utility.answer(end);
    await done;
    assert.deepEqual(copy, data);
  });
}

test('a guest whose disk is full is told to forget the file', async () => {
  const { service, utility } = copying();
  const failed = assert.rejects(
    service.copy('/file', Uint8Array.of(1)), /did not write to \/file: it answered 0x80070070/);
  utility.answer(utility.expect());
  await new Promise(setImmediate);
  utility.answer(utility.expect(), 0x8007_0070);
  await new Promise(setImmediate);
  const cancel = utility.expect();
  assert.equal(cancel.body.getUint32(0, true), 3);
  utility.answer(cancel);
  await failed;
});

test('one copy at a time, to an absolute path that fits', async () => {
  const { service, utility } = copying();
  const first = service.copy('/a', Uint8Array.of());
  await assert.rejects(service.copy('/b', Uint8Array.of()), /another copy is under way/);
  for (let i = 0; i < 2; i++) {
    utility.answer(utility.expect());
    await new Promise(setImmediate);
  }
  await first;
  for (const path of ['a', '/a/', '', `/${'n'.repeat(260)}`]) {
    await assert.rejects(service.copy(path, Uint8Array.of()), /no place for a file/);
  }
});
