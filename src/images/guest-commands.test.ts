/** The listener is what its source says: judged by the system's assembler, where there is one. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { guestFilesPath, readGuestFile } from './recipe.ts';

const isMissing = ['as', 'objcopy'].some((name) => spawnSync(name, ['--version']).status !== 0);

test('the listener is its source, assembled', { skip: isMissing && 'there is no assembler here' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'partout-test-'));
  try {
    const [object, code] = [join(folder, 'object'), join(folder, 'code')];
    for (const words of [
      ['as', '-o', object, guestFilesPath('commands/listener.s')],
      ['objcopy', '-O', 'binary', '-j', '.text', object, code],
    ]) {
      const { status, stderr } = spawnSync(words[0] as string, words.slice(1), { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    }
    assert.equal(readGuestFile('commands/listener.hex').replaceAll('\n', ''), readFileSync(code).toString('hex'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
