/** Every form that runs in ring 3, a bounded number of samples each: the engine against the host's processor. */

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { InstructionClass } from '../../src/engine/isa/instruction.ts';
import { describe } from './compare.ts';
import { Differential } from './differential.ts';
import { createEngine } from './engine-under-test.ts';
import { EngineRunner } from './engine-runner.ts';
import { NativeRunner } from './native-runner.ts';
import { allForms, notNative } from './oracles.ts';

const SEED = 1;
const SAMPLES = 200;
/** Of translated code: each is compiled. */
const TRANSLATED_SAMPLES = 40;
const SHOWN = 10;
const skip = NativeRunner.unavailable() ?? false;

for (const group of ['integer', 'system', 'x87', 'mmx', 'sse', 'avx'] as const) {
  test(`${group} instructions do on the engine what they do on the host`, { skip }, (t) => {
    compareGroup(t, group, false, SAMPLES);
  });
  test(`${group} instructions do in translated code what they do on the host`, { skip }, (t) => {
    compareGroup(t, group, true, TRANSLATED_SAMPLES);
  });
}

function compareGroup(t: TestContext, group: InstructionClass, translated: boolean, samples: number): void {
  const native = new NativeRunner();
  const differential = new Differential({ native, engine: new EngineRunner(createEngine(translated)) });
  const failures: string[] = [];
  let compared = 0;
  for (const form of allForms().filter(({ row }) => row.class === group)) {
    const { feature } = form.row;
    if (notNative(form) !== undefined || (feature !== undefined && !native.has(feature))) continue;
    const mismatches = differential.run(form, SEED, 0, samples);
    compared += samples;
    const [first] = mismatches;
    if (first !== undefined) {
      failures.push(`${form.key}: ${mismatches.length} of ${samples}\n`
        + describe(form, SEED, first.sample, first.before, first.expected, first.differences));
    }
  }
  t.diagnostic(`${compared} samples`);
  assert.equal(failures.length, 0, `${failures.length} forms differ\n${failures.slice(0, SHOWN).join('\n')}`);
}
