/** Every package that we depend on is exact, and has its line in docs/dependencies.md. */

import type { Problem } from './rule.ts';

type Versions = Readonly<Record<string, string>>;

export function dependencyProblems(manifest: string, page: string): Problem[] {
  const { dependencies = {}, devDependencies = {}, optionalDependencies = {} } =
    JSON.parse(manifest) as Readonly<Record<string, Versions | undefined>>;
  const all = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies });
  return all.flatMap(([name, version]) => {
    const problems: Problem[] = [];
    if (!/^\d+\.\d+\.\d+/.test(version)) {
      problems.push({ path: 'package.json', line: 1, message: `${name} is not pinned: ${version}` });
    }
    if (!page.includes(`\`${name}\``)) {
      problems.push({ path: 'docs/dependencies.md', line: 1, message: `${name} has no line` });
    }
    return problems;
  });
}
