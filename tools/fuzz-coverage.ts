/**
 * How many branches of a target's code its inputs have reached, by V8's own block coverage: each block that V8 counts
 * apart from what surrounds it, and each function, is a branch, as in c8; functions that no input leads to are left
 * out. It has to be on before the code is loaded.
 */

import { readFileSync } from 'node:fs';
import { Session, type Profiler } from 'node:inspector';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT } from './repository.ts';

/** No input leads there: what looks at a thing, and what saves and restores it. */
const NOT_DRIVEN = /^(get |saveState$|restoreState$|inspect$|toValue$|save$|restore$)/;

export interface BranchCoverage {
  readonly covered: number;
  readonly total: number;
  /** Where nothing came by: compiled file and line. */
  readonly missed: readonly string[];
}

export class BranchCounter {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Branches of the sources whose paths begin with one of `covers`, such as `src/vmbus/ring`. Tests are left out. */
  take(covers: readonly string[]): BranchCoverage {
    let scripts: readonly Profiler.ScriptCoverage[] = [];
    this.#session.post('Profiler.takePreciseCoverage', (_error, { result }) => { scripts = result; });
    const missed: string[] = [];
    let total = 0;
    for (const { url, functions } of scripts) {
      const path = pathOf(url);
      if (path === undefined || !covers.some((each) => path.startsWith(each))) continue;
      const text = readFileSync(fileURLToPath(url), 'utf8');
      const driven = functions.filter(({ functionName }) => !NOT_DRIVEN.test(functionName));
      for (const range of driven.flatMap(({ ranges }) => ranges)) {
        total++;
        if (range.count === 0) missed.push(`${path}:${text.slice(0, range.startOffset).split('\n').length}`);
      }
    }
    return { covered: total - missed.length, total, missed };
  }
}

/** `src/vmbus/ring.js` of a compiled source; undefined of anything else. */
function pathOf(url: string): string | undefined {
  const compiled = join(ROOT, 'dist', '/');
  if (!url.startsWith('file:')) return undefined;
  const path = fileURLToPath(url);
  return path.startsWith(compiled) && !/\.test\.js$|\/testing\//.test(path) ? path.slice(compiled.length) : undefined;
}
