/** What a test wants of the host that it runs on: tools that may be missing, and a folder of its own. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export function hasTool(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}

/** A folder that goes when the test is over. */
export function folderFor(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'partout-test-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
