/** The error of the archive readers: the file is not what it was given as. */

import { OperatingError } from '../kit/errors.ts';

export function badArchive(message: string): OperatingError {
  return new OperatingError('bad-input', message);
}
