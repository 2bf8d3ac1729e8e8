/** The files that a machine is made from; one that cannot be read is the user's to mend. */

import { closeSync, openSync, readSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { StoredBytes } from '../chipset/loaders/low-memory.ts';
import { OperatingError, systemError } from '../kit/errors.ts';

/** What one call of the system reads at most. */
const PIECE_BYTES = 2 ** 28;

/** A file, whole. */
export async function fileBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw systemError(`read ${path}`, error);
  }
}

/** A file that may be large: it is read to where it belongs. What is no file (a pipe, say) is read at once. */
export async function storedBytes(path: string): Promise<Uint8Array | StoredBytes> {
  try {
    const status = await stat(path);
    if (!status.isFile()) return await readFile(path);
    return { length: status.size, copyTo: (target) => readInto(path, target) };
  } catch (error) {
    throw systemError(`read ${path}`, error);
  }
}

function readInto(path: string, target: Uint8Array): void {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    for (let at = 0; at < target.length;) {
      const length = readSync(file, target, at, Math.min(target.length - at, PIECE_BYTES), at);
      if (length === 0) throw new OperatingError('bad-input', `${path} has become shorter meanwhile: try again`);
      at += length;
    }
  } catch (error) {
    throw systemError(`read ${path}`, error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
