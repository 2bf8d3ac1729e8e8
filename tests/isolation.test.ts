/** What the process of `partout boot` may do, as its kernel tells. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Guest } from './guest.ts';
import { counts, multibootKernel } from './multiboot-kernel.ts';

const PATIENCE_MS = 60_000;
const folder = mkdtempSync(join(tmpdir(), 'partout-test-'));
after(() => rmSync(folder, { recursive: true }));

test('a guest runs in a process without new privileges, core dumps and more files than it needs', async () => {
  const kernel = join(folder, 'kernel');
  writeFileSync(kernel, multibootKernel(counts()));
  await using guest = new Guest({ kernel, append: '', words: ['--memory', '16M'] });
  await guest.expect(/>/, PATIENCE_MS);
  const told = (file: string): string => readFileSync(`/proc/${guest.process.pid}/${file}`, 'latin1');
  assert.match(told('limits'), /^Max core file size +0 +0 /m);
  assert.match(told('limits'), /^Max open files +\d{1,4} +\d{1,4} /m);
  assert.match(told('cmdline'), /--max-old-space-size=1024/);
  const hasSetpriv = spawnSync('setpriv', ['--version']).status === 0;
  if (hasSetpriv) assert.match(told('status'), /^NoNewPrivs:\s+1$/m);
});
