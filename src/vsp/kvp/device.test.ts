import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTimers } from '../../kit/timers.ts';
import { GuestUtility } from '../testing/guest-utility.ts';
import { KeyValueExchange } from './device.ts';

function exchange(): { kvp: KeyValueExchange; utility: GuestUtility } {
  const kvp = new KeyValueExchange({ timers: new ManualTimers() });
  const utility = new GuestUtility(kvp);
  assert.deepEqual(utility.negotiate(), ['4.0', '3.0', '1.0']);
  return { kvp, utility };
}

const wide = (text: string): Buffer => Buffer.from(`${text}\0`, 'utf16le');

function put(body: DataView, at: number, text: string): void {
  new Uint8Array(body.buffer, body.byteOffset + at).set(wide(text));
}

function textAt(body: DataView, at: number, bytes: number): string {
  return Buffer.from(body.buffer, body.byteOffset + at, bytes).toString('utf16le');
}

test('a value is written with its name, sizes and type', async () => {
  const { kvp, utility } = exchange();
  const done = kvp.set(0, 'name', 'grüße');
  const { body, type } = utility.expect();
  assert.equal(type, 2);
  assert.equal(body.byteLength, 2576);
  assert.deepEqual([body.getUint8(0), body.getUint8(1), body.getUint32(4, true)], [1, 0, 1]);
  assert.deepEqual([body.getUint32(8, true), body.getUint32(12, true)], [10, 12]);
  assert.equal(textAt(body, 16, 10), 'name\0');
  assert.equal(textAt(body, 528, 12), 'grüße\0');
  utility.answer({ bytes: new Uint8Array(body.buffer) });
  await done;
});

test('a pool is listed to its end, numbers as text', async () => {
  const { kvp, utility } = exchange();
  const listed = kvp.facts();
  for (const [type, fill] of [
    [1, (body: DataView) => put(body, 532, 'debian')],
    [4, (body: DataView) => body.setUint32(532, 42, true)],
    [8, (body: DataView) => body.setBigUint64(532, 2n ** 60n, true)],
  ] as const) {
    const message = utility.expect();
    assert.equal(message.body.byteLength, 2580);
    assert.equal(message.body.getUint8(0), 3);
    assert.equal(message.body.getUint8(1), 2);
    utility.answer(message, 0, (body) => {
      body.setUint32(8, type, true);
      put(body, 20, `key${type}-${message.body.getUint32(4, true)}`);
      fill(body);
    });
    await new Promise(setImmediate);
  }
  utility.answer(utility.expect(), 0x8007_0103);
  assert.deepEqual([...await listed], [['key1-0', 'debian'], ['key4-1', '42'], ['key8-2', '1152921504606846976']]);
});

test('a value that is not there is undefined, and deleting names its key', async () => {
  const { kvp, utility } = exchange();
  const got = kvp.get(1, 'nothing');
  utility.answer(utility.expect(), 0, (body) => put(body, 20, 'something'));
  await new Promise(setImmediate);
  utility.answer(utility.expect(), 0x8007_0103);
  assert.equal(await got, undefined);
  const deleted = kvp.delete(1, 'nothing');
  const message = utility.expect();
  assert.deepEqual([message.body.byteLength, message.body.getUint32(4, true)], [520, 16]);
  assert.equal(textAt(message.body, 8, 16), 'nothing\0');
  utility.answer(message, 0x8007_0103);
  await assert.rejects(deleted, /did not forget/);
});

test('addresses come as lists', async () => {
  const { kvp, utility } = exchange();
  const asked = kvp.addresses('{abc}');
  const message = utility.expect();
  assert.equal(message.body.byteLength, 7428);
  assert.equal(textAt(message.body, 2, 12), '{abc}\0');
  utility.answer(message, 0, (body) => {
    body.setUint8(259, 1);
    put(body, 260, '10.0.0.5;fe80::1;');
    put(body, 260 + 2048, '255.255.255.0');
  });
  assert.deepEqual(await asked, {
    addresses: ['10.0.0.5', 'fe80::1'], subnets: ['255.255.255.0'], gateways: [], nameServers: [], dhcp: true,
  });
});

test('text that has no end is cut, and an answer that is too short is an error', async () => {
  const { kvp, utility } = exchange();
  const got = kvp.get(1, 'long');
  utility.answer(utility.expect(), 0, (body) => {
    put(body, 20, 'long');
    for (let i = 532; i < 2580; i += 2) body.setUint16(i, 0x41, true);
  });
  await new Promise(setImmediate);
  utility.answer(utility.expect(), 0x8007_0103);
  assert.equal((await got)?.length, 1024);
  const short = kvp.get(1, 'short');
  const { bytes } = utility.expect();
  const copy = bytes.slice(0, 40);
  new DataView(copy.buffer).setUint16(18, 12, true);
  utility.answer({ bytes: copy });
  await assert.rejects(short, /12 bytes where 2580 are due/);
});

test('names and values that do not fit are refused at the limit plus one', async () => {
  const { kvp, utility } = exchange();
  await assert.rejects(kvp.set(0, 'k'.repeat(256), ''), /too long: it may have 255 characters/);
  await assert.rejects(kvp.set(0, 'k', 'v'.repeat(1024)), /too long: it may have 1023 characters/);
  const fits = kvp.set(0, 'k'.repeat(255), 'v'.repeat(1023));
  utility.answer(utility.expect());
  await fits;
});
