/**
 * `node dist/tools/tidy.js`: the part of the house style that a program can hold. Function length, types and the usual
 * mistakes are oxlint's and the compiler's. Not enforced here, and left to reading: whole words as names, one concept a
 * file, comments that say why.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './repository.ts';
import { dependencyProblems } from './tidy/dependencies.ts';
import { FORM_RULES } from './tidy/form.ts';
import { importsFollowTheTable } from './tidy/layers.ts';
import { placeRules, registryHosts } from './tidy/place.ts';
import { sourceText, type Problem, type Rule, type SourceText } from './tidy/rule.ts';

const TEXT = /(\.(ts|js|json|md|sh|yml|yaml|html|css|svg|txt)|(^|\/)[^.]+)$/;

export function problemsOf(files: readonly SourceText[], hosts: readonly string[]): Problem[] {
  const rules: readonly Rule[] = [...FORM_RULES, importsFollowTheTable, ...placeRules(hosts)];
  return files.flatMap((file) => rules.flatMap((rule) => rule(file)));
}

/** Every text file that git tracks or would: what is ignored is nobody's business. */
export function repositoryProblems(root: string): Problem[] {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  const files = listed.split('\n').filter((path) => TEXT.test(path) && existsSync(join(root, path)))
    .map((path) => sourceText(path, readFileSync(join(root, path), 'utf8')));
  const read = (path: string): string => readFileSync(join(root, path), 'utf8');
  return [
    ...problemsOf(files, registryHosts()),
    ...dependencyProblems(read('package.json'), read('docs/dependencies.md')),
  ];
}

if (process.argv[1] === join(ROOT, 'dist/tools/tidy.js')) {
  const problems = repositoryProblems(ROOT);
  for (const { path, line, message } of problems) process.stderr.write(`${path}:${line}: ${message}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
