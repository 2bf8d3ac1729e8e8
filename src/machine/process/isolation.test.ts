/** What a process can do that was started as machines are. */

import assert from 'node:assert/strict';
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isolatedStart } from './isolation.ts';

const folder = mkdtempSync(join(tmpdir(), 'partout-isolation-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Tells what it finds about itself. */
const PROBE = `
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { getHeapStatistics } from 'node:v8';
const refused = async (act) => { try { await act(); return 'done'; } catch (error) { return error.code; } };
const worker = new Worker('require("node:worker_threads").parentPort.postMessage(1)', { eval: true });
const works = await new Promise((resolve) => worker.once('message', resolve));
process.send({
  program: await refused(async () => (await import('node:child_process')).execFileSync('/bin/true')),
  native: await refused(() => process.dlopen({ exports: {} }, '/lib/x.node')),
  worker: works,
  environment: Object.keys(process.env),
  status: readFileSync('/proc/self/status', 'latin1'),
  limits: readFileSync('/proc/self/limits', 'latin1'),
  heapMib: getHeapStatistics().heap_size_limit / 2 ** 20,
});
`;

interface Found {
  readonly program: string;
  readonly native: string;
  readonly worker: number;
  readonly environment: readonly string[];
  readonly status: string;
  readonly limits: string;
  readonly heapMib: number;
}

async function found(): Promise<Found> {
  const file = join(folder, 'probe.mjs');
  writeFileSync(file, PROBE);
  const { execPath, execArgv, env } = isolatedStart({ ...process.env, A_SECRET: 'x' });
  const child = fork(file, { execPath, execArgv: [...execArgv], env, serialization: 'advanced' });
  const [message] = await once(child, 'message') as [Found];
  child.disconnect();
  await once(child, 'exit');
  return message;
}

test('a machine has no more rights than it needs', async () => {
  const { program, native, worker, environment, status, limits, heapMib } = await found();
  assert.equal(program, 'ERR_ACCESS_DENIED', 'it starts no programs');
  assert.notEqual(native, 'done', 'it loads no native code');
  assert.match(native, /^ERR_(DLOPEN_DISABLED|ACCESS_DENIED)$/);
  assert.equal(worker, 1, 'it has threads');
  assert.ok(environment.includes('PATH') && !environment.includes('A_SECRET'), environment.join(' '));
  assert.match(limits, /^Max core file size +0 +0 /m);
  assert.match(limits, /^Max open files +\d{1,4} +\d{1,4} /m);
  assert.ok(heapMib < 1400, `${heapMib} MiB of heap`);
  const hasSetpriv = spawnSync('setpriv', ['--version']).status === 0;
  if (hasSetpriv) assert.match(status, /^NoNewPrivs:\s+1$/m);
});

test('what cannot be had is left out', () => {
  const { execArgv } = isolatedStart({ PATH: '/nowhere' });
  assert.ok(!execArgv.some((word) => word.includes('setpriv')));
  assert.ok(execArgv.includes(process.execPath));
});
