/** Runs samples of a form on the host and on the engine and compares the outcomes. */

import { compare, type Difference } from './compare.ts';
import type { EngineRunner } from './engine-runner.ts';
import type { Form } from './form.ts';
import { generate } from './generate.ts';
import type { NativeRunner } from './native-runner.ts';
import { RECORD_SIZE, SampleRecord } from './record.ts';

export interface Mismatch {
  readonly sample: number;
  readonly before: SampleRecord;
  readonly expected: SampleRecord;
  readonly actual: SampleRecord;
  readonly differences: readonly Difference[];
}

/** Samples that are made and run at a time. */
const BATCH = 2000;

export class Differential {
  readonly #native: NativeRunner;
  readonly #engine: EngineRunner;

  constructor({ native, engine }: { readonly native: NativeRunner; readonly engine: EngineRunner }) {
    this.#native = native;
    this.#engine = engine;
  }

  /** The samples `from` to `from + count - 1` of a form that do not agree. */
  run(form: Form, seed: number, from: number, count: number): Mismatch[] {
    const found: Mismatch[] = [];
    for (let first = from; first < from + count; first += BATCH) {
      const size = Math.min(BATCH, from + count - first);
      const records = new Uint8Array(size * RECORD_SIZE);
      const part = (of: Uint8Array, n: number): SampleRecord =>
        new SampleRecord(of.subarray(n * RECORD_SIZE, (n + 1) * RECORD_SIZE));
      for (let n = 0; n < size; n++) generate(form, seed, first + n, part(records, n).bytes);
      const onHost = this.#native.run(records);
      const onEngine = this.#engine.run(records);
      for (let n = 0; n < size; n++) {
        const [before, expected, actual] = [part(records, n), part(onHost, n), part(onEngine, n)];
        const differences = compare(form, before, expected, actual);
        if (differences.length > 0) found.push({ sample: first + n, before, expected, actual, differences });
      }
    }
    return found;
  }
}
