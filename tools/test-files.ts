/** Which tests there are: the sources decide, so that nothing left over in dist/ can run. */

import { filesUnder } from './repository.ts';

const FOLDERS = ['src', 'tools', 'tests', 'bench', 'fuzz'];

/** Compiled test files whose path contains one of `words` (all of them without words), relative to `root`. */
export function testFiles(root: string, words: readonly string[]): string[] {
  return FOLDERS.flatMap((folder) => filesUnder(root, folder))
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .map((file) => `dist/${file.slice(0, -'.ts'.length)}.js`);
}
