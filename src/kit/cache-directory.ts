/**
 * Where things are kept that can be made again: `PARTOUT_CACHE`, else the XDG cache directory (XDG Base Directory
 * Specification 0.8), else, for users without a home directory, a folder of their own among the temporary files.
 */

import { existsSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { makeOwnDirectory } from './own-directory.ts';

/** The directory, made if it was not there. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const chosen = environment['PARTOUT_CACHE'];
  if (chosen !== undefined && chosen !== '') return makeOwn(resolve(chosen));
  const xdg = environment['XDG_CACHE_HOME'];
  if (xdg !== undefined && isAbsolute(xdg)) return makeOwn(join(xdg, 'partout'));
  const home = environment['HOME'] ?? homedir();
  try {
    if (isAbsolute(home) && home !== '/' && existsSync(home)) return makeOwn(join(home, '.cache', 'partout'));
  } catch {
    // A home directory that is missing or not ours to write is as good as none.
  }
  // Others may put things beside it, a link in its place among them.
  return makeOwn(join(tmpdir(), `partout-${process.getuid?.() ?? 'user'}`), { isShared: true });
}

/** What is kept in it is booted as a kernel: one of somebody else's is refused. */
function makeOwn(directory: string, { isShared = false } = {}): string {
  return makeOwnDirectory(directory, {
    what: 'cache directory', remedy: 'name one of your own in PARTOUT_CACHE', mayBeLink: !isShared,
  });
}
