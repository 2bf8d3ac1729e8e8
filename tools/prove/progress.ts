/**
 * How far a proof has come that adds up over several runs: kept in .cache/ with the commit where it began, and begun
 * again when something that the proof rests on has changed since.
 */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../repository.ts';
import { LINES } from './lines.ts';

export class Progress<T> {
  readonly #folders: readonly string[];
  /** Belongs to this progress: files that the next run needs go there, too. */
  readonly folder: string;
  readonly #file: string;
  readonly #commit: string;

  /** @param name of the line. */
  constructor(name: string) {
    const line = LINES.find((each) => each.name === name);
    if (line === undefined) throw new Error(`there is no line ${name}`);
    this.#folders = line.folders;
    this.folder = join(ROOT, '.cache/proofs', name);
    this.#file = join(this.folder, 'progress.json');
    this.#commit = git('rev-parse', 'HEAD');
  }

  /** What the last run left, if it still counts. */
  load(): T | undefined {
    try {
      const { commit, value } = JSON.parse(readFileSync(this.#file, 'utf8')) as { commit: string; value: T };
      if (git('diff', '--name-only', commit, '--', ...this.#folders) === '') return value;
    } catch {
      // Nothing is there, or nothing that can be read: the proof begins.
    }
    this.clear();
    return undefined;
  }

  save(value: T): void {
    mkdirSync(this.folder, { recursive: true });
    writeFileSync(this.#file, JSON.stringify({ commit: this.#commit, value }));
  }

  clear(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function git(...words: string[]): string {
  return execFileSync('git', words, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}
