/** Every form that runs in ring 3, a bounded number of samples each: the engine against the host's processor. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describe } from './compare.ts';
import { Differential } from './differential.ts';
import { createEngine } from './engine-under-test.ts';
import { EngineRunner } from './engine-runner.ts';
import { NativeRunner } from './native-runner.ts';
import { allForms, notNative } from './oracles.ts';

const SEED = 1;
const SAMPLES = 200;
const SHOWN = 10;
const skip = NativeRunner.unavailable() ?? false;

for (const group of ['integer', 'system', 'x87', 'mmx', 'sse'] as const) {
  test(`${group} instructions do on the engine what they do on the host`, { skip }, (t) => {
    const native = new NativeRunner();
    const differential = new Differential({ native, engine: new EngineRunner(createEngine()) });
    const failures: string[] = [];
    let compared = 0;
    for (const form of allForms().filter(({ row }) => row.class === group)) {
      const { feature } = form.row;
      if (notNative(form) !== undefined || (feature !== undefined && !native.has(feature))) continue;
      const mismatches = differential.run(form, SEED, 0, SAMPLES);
      compared += SAMPLES;
      const [first] = mismatches;
      if (first !== undefined) {
        failures.push(`${form.key}: ${mismatches.length} of ${SAMPLES}\n`
          + describe(form, SEED, first.sample, first.before, first.expected, first.differences));
      }
    }
    t.diagnostic(`${compared} samples`);
    assert.equal(failures.length, 0, `${failures.length} forms differ\n${failures.slice(0, SHOWN).join('\n')}`);
  });
}
