import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromText, toText } from './value-text.ts';

test('bytes, numbers of 64 bits and what is not there survive', () => {
  const value = {
    bytes: Uint8Array.of(0, 1, 254, 255), none: new Uint8Array(0), word: 0xffff_ffff_ffff_fffen, zero: 0n,
    list: [1, -1, 0.5, { deep: [2n] }], text: 'größer', flag: false, absent: undefined,
  };
  const { absent: _, ...there } = value;
  assert.deepEqual(fromText(toText(value)), there);
});

const WRONG = [
  '{"a":{"$bytes":"?"}}', '{"a":{"$bytes":1}}', '{"a":{"$u64":"-1"}}', '{"a":{"$u64":"11112222333344445"}}', '{', '',
];

for (const text of WRONG) {
  test(`${JSON.stringify(text)} is no value`, () => assert.throws(() => fromText(text), SyntaxError));
}
