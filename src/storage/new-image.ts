/** New image files come into being whole: they are made under another name, and get theirs when they are complete. */

import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { OperatingError } from '../kit/errors.ts';
import { flushIsRefused } from './host-file.ts';

/**
 * The file that is going to be at a path. What was not committed is gone when it is disposed.
 * @example
 * using image = new NewImage(path);
 * writeTo(image.temporaryPath);
 * image.commit();
 */
export class NewImage implements Disposable {
  readonly temporaryPath: string;
  readonly #path: string;

  /** @throws OperatingError when there is a file of that name. */
  constructor(path: string) {
    refuseExisting(path);
    this.#path = path;
    this.temporaryPath = join(dirname(path), `.${basename(path)}.${process.pid}.new`);
    rmSync(this.temporaryPath, { force: true });
  }

  /** Gives the file its name, on the medium too. */
  commit(): void {
    refuseExisting(this.#path);
    renameSync(this.temporaryPath, this.#path);
    // There the next write to the file, which is through to the medium, takes its name along.
    if (flushIsRefused()) return;
    const folder = openSync(dirname(resolve(this.#path)), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.temporaryPath, { force: true });
  }
}

function refuseExisting(path: string): void {
  if (existsSync(path)) {
    throw new OperatingError('bad-input', `${path} is there already: give another name, or remove it`);
  }
}
