/** Opens what lies in a DVD drive: an ISO image [ECMA-119 6.1.2], or any file in sectors of 2048 bytes. */

import { OperatingError } from '../../kit/errors.ts';
import { HostFile } from '../host-file.ts';
import { RawDisk } from './raw-disk.ts';

const SECTOR_BYTES = 2048;

/** @throws OperatingError when the file cannot be read, or is empty. */
export function openMedium(path: string): RawDisk {
  const file = new HostFile(path, { readOnly: true });
  if (file.sizeBytes > 0) {
    return new RawDisk({ file, logicalSectorBytes: SECTOR_BYTES, physicalSectorBytes: SECTOR_BYTES });
  }
  file.closeSync();
  throw new OperatingError('bad-input', `${path} is empty: a drive takes an ISO image`);
}
