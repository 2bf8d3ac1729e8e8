/**
 * `npm run prove [NAME…|list]`: proves the long lines of prove/lines.ts that do not hold yet, or the named ones, one at
 * a time, and writes each result to docs/proofs.md as soon as it is known.
 */

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Proof, ProofLine } from './prove/line.ts';
import { LINES } from './prove/lines.ts';
import { pageOf, proofsOf } from './prove/record.ts';
import { ROOT } from './repository.ts';

const PAGE = join(ROOT, 'docs/proofs.md');
/** A program that is asked to end has this long. */
const GRACE_MS = 10_000;

function git(...words: string[]): string {
  return execFileSync('git', words, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

function recorded(): Proof[] {
  return existsSync(PAGE) ? proofsOf(readFileSync(PAGE, 'utf8')) : [];
}

/** Nothing that the line rests on has changed since it was proved. */
function stillHolds(line: ProofLine): boolean {
  const proof = recorded().find(({ name }) => name === line.name);
  if (proof === undefined || !proof.holds) return false;
  try {
    return git('diff', '--name-only', proof.commit, '--', ...line.folders) === '';
  } catch {
    // The commit is not in this clone.
    return false;
  }
}

/** Runs the line's program; the figure is what it says after `figure: `, last. */
async function attempt(line: ProofLine): Promise<{ holds: boolean; figure: string }> {
  const child = spawn(process.execPath, ['--enable-source-maps', ...line.command], {
    cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'],
  });
  let figure = '';
  createInterface({ input: child.stdout }).on('line', (text) => {
    process.stdout.write(`${text}\n`);
    figure = /^figure: (.+)$/.exec(text)?.[1] ?? figure;
  });
  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), GRACE_MS).unref();
  }, line.deadlineMinutes * 60_000);
  const status = await new Promise<number | null>((resolve) => { child.on('close', resolve); });
  clearTimeout(deadline);
  if (late) return { holds: false, figure: `${figure} (not done after ${line.deadlineMinutes} minutes)`.trim() };
  return { holds: status === 0 && figure !== '', figure: figure === '' ? `no figure, status ${status}` : figure };
}

async function prove(line: ProofLine): Promise<boolean> {
  const changed = git('status', '--porcelain', '--', ...line.folders);
  if (changed !== '') {
    process.stderr.write(`prove: ${line.name} rests on what is not committed:\n${changed}\n`);
    return false;
  }
  process.stdout.write(`prove: ${line.name}: ${line.what}\n`);
  const commit = git('rev-parse', '--short=10', 'HEAD');
  const result = await attempt(line);
  const proof: Proof = { name: line.name, ...result, commit, date: new Date().toISOString().slice(0, 10) };
  writeFileSync(PAGE, pageOf(LINES, [...recorded().filter(({ name }) => name !== line.name), proof]));
  process.stdout.write(`prove: ${line.name} ${result.holds ? 'holds' : 'FAILED'}: ${result.figure}\n`);
  return result.holds;
}

const words = process.argv.slice(2);
const unknown = words.find((word) => word !== 'list' && LINES.every(({ name }) => name !== word));
if (unknown !== undefined) {
  process.stderr.write(`prove: there is no ${unknown}: there are ${LINES.map(({ name }) => name).join(', ')}\n`);
  process.exit(2);
}
if (words[0] === 'list') {
  for (const line of LINES) {
    process.stdout.write(`${stillHolds(line) ? 'holds ' : 'open  '} ${line.name}: ${line.what}\n`);
  }
  process.exit(0);
}
const wanted = LINES.filter((line) => words.length > 0 ? words.includes(line.name) : !stillHolds(line));
let all = true;
for (const line of wanted) all = await prove(line) && all;
process.stdout.write(`prove: ${all ? 'everything that was asked for holds' : 'not everything holds'}\n`);
process.exit(all ? 0 : 1);
