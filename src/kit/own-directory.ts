/** A directory of the user's own, which others cannot put anything into. */

import { accessSync, constants, lstatSync, mkdirSync, statSync } from 'node:fs';
import { OperatingError, systemError } from './errors.ts';

export interface OwnDirectoryOptions {
  /** What a sentence calls it. */
  readonly what?: string;
  /** What to do when it belongs to someone else. */
  readonly remedy?: string;
  /** A link to a directory of the user's will do: nobody else may put one there. */
  readonly mayBeLink?: boolean;
}

/**
 * Makes the directory if it was not there, for its owner alone, and returns its path.
 * @throws OperatingError when it cannot be made, or belongs to someone else.
 */
export function makeOwnDirectory(
  directory: string, { what = 'directory', remedy = 'name another', mayBeLink = false }: OwnDirectoryOptions = {},
): string {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.W_OK);
  } catch (error) {
    throw systemError(`make the ${what} ${directory}`, error);
  }
  const status = mayBeLink ? statSync(directory) : lstatSync(directory);
  if (status.isDirectory() && (process.getuid === undefined || status.uid === process.getuid())) return directory;
  throw new OperatingError('host', `the ${what} ${directory} belongs to someone else: ${remedy}`);
}
