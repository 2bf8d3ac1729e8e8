/** Where the repository is, and the plain listing of its files that the tools share. */

import { readdirSync, type Dirent } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository: compiled tools run from dist/tools. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

/** Every file under `folder`, sorted, as paths relative to `root`; an absent folder has none. */
export function filesUnder(root: string, folder: string): string[] {
  const found: string[] = [];
  const visit = (path: string): void => {
    for (const entry of entriesOf(path)) {
      if (entry.isDirectory()) {
        if (entry.name !== 'node_modules') visit(join(path, entry.name));
      } else if (entry.isFile()) {
        found.push(relative(root, join(path, entry.name)));
      }
    }
  };
  visit(join(root, folder));
  return found.sort();
}

function entriesOf(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
