/**
 * The whole differential: at least a thousand samples of every form that runs in ring 3, and docs/oracles.md with what
 * vouches for each form. Goes on where it stopped, form by form, as long as the engine is the same.
 *
 *     node dist/tests/oracle/full.js [--form NAME] [--seed N] [--samples N] [--sample K] [--verbose N] [--class NAME]
 *
 * NAME is a form as the table writes it, a mnemonic or an opcode. --sample runs one sample alone and shows it whole.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { dirname } from 'node:path';
import { describe } from './compare.ts';
import { Differential } from './differential.ts';
import { CORE_FILE, createEngine } from './engine-under-test.ts';
import { EngineRunner } from './engine-runner.ts';
import type { Form } from './form.ts';
import { NativeRunner } from './native-runner.ts';
import { allForms, formsNamed, notNative } from './oracles.ts';
import { reportText, type FormResult } from './report.ts';

const ROOT = new URL('../../../', import.meta.url);
const PROGRESS = fileURLToPath(new URL('dist/oracle-progress.json', ROOT));
const REPORT = fileURLToPath(new URL('docs/oracles.md', ROOT));
const DEFAULT_SEED = 1;
const DEFAULT_SAMPLES = 1000;

interface Progress {
  engine: string;
  results: Record<string, FormResult>;
}

const { values } = parseArgs({
  options: {
    form: { type: 'string' }, class: { type: 'string' }, seed: { type: 'string' }, samples: { type: 'string' },
    sample: { type: 'string' }, verbose: { type: 'string' },
  },
});
const seed = Number(values.seed ?? DEFAULT_SEED);
const samples = Number(values.samples ?? DEFAULT_SAMPLES);
const verbose = Number(values.verbose ?? 1);

function loadProgress(): Progress {
  const engine = createHash('sha256').update(readFileSync(CORE_FILE)).update(`seed ${seed}`).digest('hex');
  if (existsSync(PROGRESS)) {
    const progress = JSON.parse(readFileSync(PROGRESS, 'utf8')) as Progress;
    if (progress.engine === engine) return progress;
  }
  return { engine, results: {} };
}

function runForm(differential: Differential, native: NativeRunner, form: Form): FormResult {
  const { feature } = form.row;
  const lacking = feature === undefined || native.has(feature) ? undefined : `the host lacks ${feature}`;
  const reason = notNative(form) ?? lacking;
  if (reason !== undefined) return { samples: 0, mismatches: 0, reason };
  const mismatches = differential.run(form, seed, 0, samples);
  for (const { sample, before, expected, differences } of mismatches.slice(0, verbose)) {
    process.stdout.write(`${describe(form, seed, sample, before, expected, differences)}\n`);
  }
  return { samples, mismatches: mismatches.length };
}

function runAll(differential: Differential, native: NativeRunner, forms: readonly Form[], whole: boolean): number {
  const progress = whole ? loadProgress() : { engine: '', results: {} };
  let failed = 0;
  for (const form of forms) {
    const known = progress.results[form.key];
    const result = known !== undefined && known.samples >= samples && known.mismatches === 0 ? known
      : runForm(differential, native, form);
    progress.results[form.key] = result;
    if (result.mismatches > 0) failed++;
    if (whole) writeFileSync(PROGRESS, JSON.stringify(progress));
    if (result.mismatches > 0 || !whole) {
      const figures = `native, ${result.samples} samples, ${result.mismatches} mismatches`;
      process.stdout.write(`${form.key}: ${result.reason ?? figures}\n`);
    }
  }
  process.stdout.write(`figure: ${forms.length} forms, ${failed} with mismatches\n`);
  if (whole) {
    mkdirSync(dirname(REPORT), { recursive: true });
    writeFileSync(REPORT, reportText(allForms(), progress.results));
  }
  return failed;
}

function runOne(differential: Differential, form: Form, sample: number): number {
  const [mismatch] = differential.run(form, seed, sample, 1);
  process.stdout.write(mismatch === undefined ? `${form.key}: sample ${sample} agrees\n`
    : `${describe(form, seed, sample, mismatch.before, mismatch.expected, mismatch.differences)}\n`);
  return mismatch === undefined ? 0 : 1;
}

function main(): void {
  const unavailable = NativeRunner.unavailable();
  if (unavailable !== undefined) {
    process.stderr.write(`oracle: nothing to compare with: ${unavailable}\n`);
    process.exitCode = 2;
    return;
  }
  const native = new NativeRunner();
  const differential = new Differential({ native, engine: new EngineRunner(createEngine()) });
  const all = allForms();
  const named = values.form === undefined ? all : formsNamed(all, values.form);
  const forms = named.filter(({ row }) => values.class === undefined || row.class === values.class);
  const [first] = forms;
  if (first === undefined) {
    const asked = values.form ?? values.class;
    process.stderr.write(`oracle: no form is called ${asked}; give a name or an opcode of docs/oracles.md\n`);
    process.exitCode = 2;
  } else if (values.sample !== undefined) {
    process.exitCode = runOne(differential, first, Number(values.sample));
  } else {
    const whole = values.form === undefined && values.class === undefined;
    process.exitCode = runAll(differential, native, forms, whole) === 0 ? 0 : 1;
  }
}

main();
