/** What is wrong with an image, and where, in one sentence. */

import { OperatingError } from '../kit/errors.ts';
import type { BlockFile } from './block-file.ts';
import type { Volume } from './volume.ts';

/** An image whose structures contradict themselves or the specification. */
export function damaged(file: BlockFile | Volume, what: string): OperatingError {
  return new OperatingError('bad-input', `${file.name} is damaged: ${what}`);
}

/** An image that asks for something that its format knows and we do not. */
export function unsupported(file: BlockFile | Volume, what: string): OperatingError {
  return new OperatingError('unsupported', `${file.name} cannot be used: ${what}`);
}
