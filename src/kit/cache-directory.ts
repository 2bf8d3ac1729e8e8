/**
 * Where things are kept that can be made again: `PARTOUT_CACHE`, else the XDG cache directory (XDG Base Directory
 * Specification 0.8), else, for users without a home directory, a folder of their own among the temporary files.
 */

import { accessSync, constants, lstatSync, mkdirSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { OperatingError, systemError } from './errors.ts';

/** The directory, made if it was not there. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const chosen = environment['PARTOUT_CACHE'];
  if (chosen !== undefined && chosen !== '') return makeOwn(resolve(chosen));
  const xdg = environment['XDG_CACHE_HOME'];
  if (xdg !== undefined && isAbsolute(xdg)) return makeOwn(join(xdg, 'partout'));
  const home = environment['HOME'] ?? homedir();
  try {
    if (isAbsolute(home) && home !== '/') return makeOwn(join(home, '.cache', 'partout'), { requiredParent: home });
  } catch {
    // A home directory that is missing or not ours to write is as good as none.
  }
  return makeOwn(join(tmpdir(), `partout-${process.getuid?.() ?? 'user'}`), { isShared: true });
}

interface Requirements {
  /** A directory that must be there already. */
  readonly requiredParent?: string;
  /** Whether others may put things beside it, a link in its place among them. */
  readonly isShared?: boolean;
}

/**
 * Makes a directory that only we may enter. One that is there and belongs to someone else is refused: what is kept in
 * it is booted as a kernel.
 */
function makeOwn(directory: string, { requiredParent, isShared = false }: Requirements = {}): string {
  try {
    if (requiredParent !== undefined) statSync(requiredParent);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.W_OK);
  } catch (error) {
    throw systemError(`make the cache directory ${directory}`, error);
  }
  const status = isShared ? lstatSync(directory) : statSync(directory);
  if (status.isDirectory() && (process.getuid === undefined || status.uid === process.getuid())) return directory;
  throw new OperatingError(
    'host', `the cache directory ${directory} belongs to someone else: name one of your own in PARTOUT_CACHE`,
  );
}
