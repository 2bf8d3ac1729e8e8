/** Others' judgement of a disk on which Debian was installed: e2fsck of its file system, qemu-img of its image. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { convertDisk } from '../src/storage/convert.ts';

/** Behind the partition for EFI, as `guests/debian/build` makes it. */
const ROOT_OFFSET = 65 * 2 ** 20;

/** What was judged, in words. */
export async function judgeDisk(path: string, folder: string): Promise<string> {
  const raw = join(folder, 'judged.raw');
  await convertDisk(path, raw, { format: 'raw' });
  const judged: string[] = [];
  const judge = (name: string, tool: string, ...words: string[]): void => {
    const { error, status, stdout, stderr } = spawnSync(tool, words, { encoding: 'utf8' });
    if (error !== undefined) return;
    assert.equal(status, 0, `${tool} ${words.join(' ')}: ${stdout}${stderr}`);
    judged.push(name);
  };
  judge('e2fsck finds nothing', 'e2fsck', '-fn', `${raw}?offset=${ROOT_OFFSET}`);
  // QEMU knows no chains of VHDX, and nothing that could be wrong with the others.
  if (/vhdx/.test(path) && !path.includes('child')) judge('qemu-img finds nothing', 'qemu-img', 'check', path);
  rmSync(raw);
  return judged.length === 0 ? 'no tool here to judge the disk' : judged.join(', ');
}
