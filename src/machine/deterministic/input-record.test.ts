import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperatingError } from '../../kit/errors.ts';
import { inputLine, inputTitle, parseInputRecord } from './input-record.ts';

test('a record comes back as it was written', () => {
  const entries = [
    { timeNs: 0, bytes: Uint8Array.of(0, 10, 255) }, { timeNs: 123_456_789_012, bytes: Uint8Array.of(0x61) },
  ];
  assert.deepEqual(parseInputRecord(inputTitle() + entries.map(inputLine).join(''), 'x'), entries);
  assert.deepEqual(parseInputRecord(inputTitle(), 'x'), []);
});

for (const [what, text, message] of [
  ['another file', 'hello\n', /its first line is not/],
  ['an empty file', '', /its first line is not/],
  ['a cut line', `${inputTitle()}5 61`, /its last line does not end/],
  ['an odd digit', `${inputTitle()}5 616\n`, /line 2 is not a time/],
  ['no bytes', `${inputTitle()}5 \n`, /line 2 is not a time/],
  ['time that goes back', `${inputTitle()}5 61\n4 61\n`, /line 3 goes back in time/],
] as const) {
  test(`${what} is refused in a sentence`, () => {
    assert.throws(() => parseInputRecord(text, 'file'), (error) =>
      error instanceof OperatingError && error.message.startsWith('file is no record') && message.test(error.message));
  });
}
