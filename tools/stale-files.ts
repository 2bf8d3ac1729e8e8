/**
 * Compiled files whose source is gone. The compiler never deletes what it wrote earlier, so a renamed module would live
 * on in dist/ and a deleted test would go on running: the build removes them before it compiles.
 */

import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { filesUnder } from './repository.ts';

const COMPILED = /^dist\/(?!whole\/)(.+?)(?:\.js|\.js\.map|\.d\.ts)$/;

/** Paths relative to `root` of compiled files under dist/ that no source file explains. */
export function staleFiles(root: string): string[] {
  return filesUnder(root, 'dist').filter((file) => {
    const source = COMPILED.exec(file)?.[1];
    return source !== undefined && !existsSync(join(root, `${source}.ts`));
  });
}

/** Deletes them, and says which they were. */
export function removeStaleFiles(root: string): string[] {
  const stale = staleFiles(root);
  for (const file of stale) rmSync(join(root, file));
  return stale;
}
