/** Whatever stands in a record of console input: it is read, or refused in a sentence; what was read reads so again. */

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { OperatingError } from '../src/kit/errors.ts';
import { inputLine, inputTitle, parseInputRecord } from '../src/machine/deterministic/input-record.ts';
import type { FuzzTarget, Tally } from '../tools/fuzz-target.ts';

const entry = fc.tuple(fc.nat({ max: 2 ** 31 - 1 }), fc.uint8Array({ minLength: 1, maxLength: 20 }));
const good = fc.array(entry, { maxLength: 20 }).map((entries) => inputTitle() + entries
  .sort(([one], [other]) => one - other).map(([timeNs, bytes]) => inputLine({ timeNs, bytes })).join(''));
const damaged = fc.tuple(good, fc.nat(), fc.string({ maxLength: 3 })).map(([text, at, with_]) =>
  text.slice(0, at % (text.length + 1)) + with_ + text.slice((at % (text.length + 1)) + 1));
const record = fc.oneof(good, damaged, fc.string());

function tryRecord(text: string, tally: Tally): void {
  let entries;
  try {
    entries = parseInputRecord(text, 'file');
  } catch (error) {
    assert.ok(error instanceof OperatingError, String(error));
  }
  tally.input(entries !== undefined);
  if (entries === undefined) return;
  assert.deepEqual(parseInputRecord(inputTitle() + entries.map(inputLine).join(''), 'file'), entries);
}

export const target: FuzzTarget = {
  name: 'input-record',
  covers: ['src/machine/deterministic/input-record'],
  run(seed, iterations, tally) {
    fc.assert(fc.property(record, (text) => tryRecord(text, tally)), { seed, numRuns: iterations });
  },
};
