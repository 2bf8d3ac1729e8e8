/** A machine that was stopped is gone: nothing of this process holds it. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Machine } from './machine.ts';

const LOOKS = 50;
const folder = mkdtempSync(join(tmpdir(), 'partout-release-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A multiboot kernel that halts: a header that says where everything goes, then HLT. */
function haltingKernel(): string {
  const path = join(folder, 'kernel');
  const header = [0x1badb002, 1 << 16, -(0x1badb002 + (1 << 16)), 0x100000, 0x100000, 0x100024, 0x100024, 0x100020];
  writeFileSync(path, Buffer.concat([Buffer.from(Int32Array.from(header).buffer), Buffer.from([0xf4, 0xeb, 0xfd, 0])]));
  return path;
}

async function stoppedMachine(kernel: string): Promise<WeakRef<Machine>> {
  const machine = await Machine.create({
    kernel, commandLine: '', memoryBytes: 16 * 2 ** 20, processors: 1, rebootInPlace: true, debugExit: false,
  }, { console: { output: () => {} } });
  const ended = machine.start();
  await machine.stop(5000);
  await ended;
  return new WeakRef(machine);
}

test('nothing holds a machine that was stopped', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const machine = await stoppedMachine(haltingKernel());
  for (let look = 0; look < LOOKS && machine.deref() !== undefined; look++) {
    await setTimeout(20);
    collect();
  }
  assert.equal(machine.deref(), undefined);
});
