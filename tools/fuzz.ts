/**
 * `npm run fuzz -- TARGET SECONDS [SEED]`: tries inputs for that much processor time, from a seed that it prints. A
 * target that throws or that does not come back ends the run with the seed to give again; TARGET `all` shares the time
 * between all. At the end stands how many inputs were valid, and how many branches of the code under test they reached;
 * which they did not is said when FUZZ_MISSED is set.
 */

import { allTargets, type FoundTarget, type FuzzResult, runTarget } from './fuzz-run.ts';

/** True when the target withstood everything. */
async function fuzz({ name, module }: FoundTarget, seconds: number, seed: number): Promise<boolean> {
  process.stdout.write(`fuzz: ${name} for ${seconds} s from seed ${seed}\n`);
  const result = await runTarget({ name, module, seed, processorSeconds: seconds });
  if (result.failure !== undefined) {
    process.stdout.write(
      `${result.failure}\nfuzz: ${name} broke; again: npm run fuzz -- ${name} 1 ${result.seed}\n`);
    return false;
  }
  process.stdout.write(`fuzz: ${name} withstood ${result.iterations} inputs\n${accountOf(name, result)}`);
  return true;
}

/** What the inputs were, and how far they came. */
function accountOf(name: string, { inputs = 0, valid = 0, coverage }: FuzzResult): string {
  const percent = (part: number, whole: number): string => `${((part * 100) / Math.max(whole, 1)).toFixed(0)} %`;
  const lines: string[] = [];
  if (inputs > 0) lines.push(`${percent(valid, inputs)} of the inputs were valid`);
  if (coverage !== undefined) {
    lines.push(`${percent(coverage.covered, coverage.total)} of ${coverage.total} branches were reached`);
    const says = process.env['FUZZ_MISSED'] !== undefined;
    if (says) lines.push(...coverage.missed.map((place) => `not reached: ${place}`));
  }
  return lines.map((line) => `fuzz: ${name}: ${line}\n`).join('');
}

const [wanted = '', time = '', start = String(Math.floor(Math.random() * 2 ** 31))] = process.argv.slice(2);
const targets = await allTargets();
const chosen = targets.filter(({ name }) => wanted === 'all' || name === wanted);
const [seconds, seed] = [Number(time), Number(start)];
if (chosen.length === 0 || !(seconds > 0) || !Number.isInteger(seed)) {
  process.stderr.write(`fuzz: npm run fuzz -- TARGET SECONDS [SEED]; targets: ${
    ['all', ...targets.map(({ name }) => name)].join(', ')}\n`);
  process.exit(2);
}
let withstood = true;
for (const target of chosen) withstood = await fuzz(target, seconds / chosen.length, seed) && withstood;
process.exit(withstood ? 0 : 1);
