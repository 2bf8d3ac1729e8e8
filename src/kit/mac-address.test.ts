import assert from 'node:assert/strict';
import { test } from 'node:test';
import { macAddressText, parseMacAddress, poolMacAddress } from './mac-address.ts';

test('addresses are read with dashes and colons, in either case', () => {
  assert.deepEqual(parseMacAddress('00-15-5D-0a-0B-ff'), Uint8Array.of(0, 0x15, 0x5d, 10, 11, 255));
  assert.equal(macAddressText(parseMacAddress('00:15:5d:01:02:03') ?? new Uint8Array(0)), '00-15-5d-01-02-03');
});

const BAD = ['', '00-15-5d-01-02', '00155d010203', '00-15-5d-01-02-0g', '01-00-5e-00-00-01', '00-00-00-00-00-00'];
for (const text of BAD) {
  test(`${JSON.stringify(text)} is no address of a NIC`, () => assert.equal(parseMacAddress(text), undefined));
}

test('the pool begins again at its end', () => {
  assert.equal(macAddressText(poolMacAddress(0x80_0001)), '00-15-5d-80-00-01');
  assert.deepEqual(poolMacAddress(1 << 24), poolMacAddress(0));
});
