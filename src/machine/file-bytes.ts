/** The files that a machine is made from, whole; one that cannot be read is the user's to mend. */

import { readFile } from 'node:fs/promises';
import { systemError } from '../kit/errors.ts';

export async function fileBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw systemError(`read ${path}`, error);
  }
}
