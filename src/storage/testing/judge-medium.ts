/** What QEMU says of an image in memory. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { CrashFile, type Medium } from './crash-file.ts';
import type { CrashFormat } from './crash-formats.ts';
import { withFolder } from './images.ts';

/** Opened and closed by us, the image is one that QEMU has nothing against, if it knows the format. */
export async function judgeWithQemu(
  { open, qemuFormat }: CrashFormat, medium: Medium, where: string,
): Promise<void> {
  if (qemuFormat === undefined) return;
  const file = new CrashFile(medium);
  open(file).closeSync();
  const left = file.survivors(() => 0);
  const bytes = new Uint8Array(left.sizeBytes);
  left.read(bytes, 0, bytes.length, 0);
  await withFolder((at) => {
    writeFileSync(at('image'), bytes);
    const command = qemuFormat === 'vhdx' ? 'check' : 'info';
    const { status, stdout, stderr } = spawnSync('qemu-img', [command, '-f', qemuFormat, at('image')],
      { encoding: 'utf8' });
    assert.equal(status, 0, `${where}: ${stdout}${stderr}`);
  });
}
