/** ar archives: what a .deb holds is found, and what is malformed is refused in a sentence. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperatingError } from '../kit/errors.ts';
import { readAr, writeAr } from './ar.ts';

function member(name: string, data: string, size: string = String(data.length)): string {
  const header = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}`;
  return `${header}${size.padEnd(10)}\`\n${data}${data.length % 2 === 0 ? '' : '\n'}`;
}

test('members come in order, padding and the slash of GNU names left out', () => {
  const archive = Buffer.from(`!<arch>\n${member('debian-binary', '2.0\n')}${member('odd/', 'abc')}${member('c', '')}`);
  const read = readAr(archive).map(({ name, data }) => [name, Buffer.from(data).toString()]);
  assert.deepEqual(read, [['debian-binary', '2.0\n'], ['odd', 'abc'], ['c', '']]);
});

test('what is written reads back', () => {
  const members = [['debian-binary', '2.0\n'], ['odd', 'abc'], ['data.tar', '']] as const;
  const archive = writeAr(members.map(([name, data]) => ({ name, data: Buffer.from(data) })));
  assert.deepEqual(readAr(archive).map(({ name, data }) => [name, Buffer.from(data).toString()]), members);
});

const HOSTILE: readonly (readonly [what: string, archive: string, message: RegExp])[] = [
  ['another kind of file', 'PK\x03\x04', /is no ar archive/],
  ['a size beyond the end', `!<arch>\n${member('a', 'abc', '4000000000')}`, /ends within its member "a"/],
  ['a negative size', `!<arch>\n${member('a', 'abc', '-5')}`, /no valid member header at byte 8/],
  ['half a header', `!<arch>\n${member('a', '').slice(0, 30)}`, /ends within a member header/],
];

for (const [what, archive, message] of HOSTILE) {
  test(`refuses ${what}`, () => {
    const isRefusal = (error: unknown): boolean => error instanceof OperatingError && message.test(error.message);
    assert.throws(() => readAr(Buffer.from(archive, 'latin1')), isRefusal);
  });
}
