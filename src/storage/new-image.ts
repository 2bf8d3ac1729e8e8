/** New image files come into being whole: they are made under another name, and get theirs when they are complete. */

import { existsSync, fsyncSync, openSync, closeSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { OperatingError } from '../kit/errors.ts';

/**
 * @param make writes the file at the path that it is given.
 * @throws OperatingError when there is a file of that name.
 */
export function makeImage(path: string, make: (temporaryPath: string) => void): void {
  refuseExisting(path);
  const temporaryPath = join(dirname(path), `.${basename(path)}.${process.pid}.new`);
  rmSync(temporaryPath, { force: true });
  try {
    make(temporaryPath);
    refuseExisting(path);
    renameSync(temporaryPath, path);
    syncFolderOf(path);
  } catch (error) {
    rmSync(temporaryPath, { force: true });
    throw error;
  }
}

export function refuseExisting(path: string): void {
  if (existsSync(path)) {
    throw new OperatingError('bad-input', `${path} is there already: give another name, or remove it`);
  }
}

/** The name is on the medium, too. */
export function syncFolderOf(path: string): void {
  const descriptor = openSync(dirname(resolve(path)), 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
