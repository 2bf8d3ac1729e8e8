/**
 * A build step that runs only when something it reads has changed: the digest of its inputs (contents, not times, so
 * that a fresh checkout of the same text is the same) is kept in a file beside its output.
 */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface CachedStep {
  /** Files that the step reads, relative to the root. */
  readonly inputs: readonly string[];
  /** Whatever else decides the output: options, the version of a tool. */
  readonly key: string;
  /** Files that the step writes, relative to the root. */
  readonly outputs: readonly string[];
  /** Where the digest of the last good run is kept, relative to the root. */
  readonly stamp: string;
  run(): void;
}

/** Runs the step when it has to; true when it ran. A step that throws leaves no stamp, so that it runs again. */
export function runCachedStep(root: string, step: CachedStep): boolean {
  const digest = digestOf(root, step);
  const stamp = join(root, step.stamp);
  const current = existsSync(stamp) && readFileSync(stamp, 'utf8') === digest;
  if (current && step.outputs.every((output) => existsSync(join(root, output)))) return false;
  rmSync(stamp, { force: true });
  step.run();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, digest);
  return true;
}

function digestOf(root: string, step: CachedStep): string {
  const hash = createHash('sha256').update(step.key);
  for (const input of step.inputs) hash.update(`\0${input}\0`).update(readFileSync(join(root, input)));
  return hash.digest('hex');
}
