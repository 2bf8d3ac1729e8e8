/** A directory of the user's own, which others cannot put anything into. */

import { accessSync, constants, lstatSync, mkdirSync } from 'node:fs';
import { OperatingError, systemError } from './errors.ts';

/**
 * Makes the directory if it was not there, for its owner alone, and returns its path.
 * @throws OperatingError when it cannot be made, or belongs to someone else.
 */
export function makeOwnDirectory(directory: string): string {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.W_OK);
  } catch (error) {
    throw systemError(`make the directory ${directory}`, error);
  }
  const status = lstatSync(directory);
  if (status.isDirectory() && (process.getuid === undefined || status.uid === process.getuid())) return directory;
  throw new OperatingError('host', `the directory ${directory} belongs to someone else: name another`);
}
