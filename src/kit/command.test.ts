/** Programs of the host: what they print and how they end comes back, and failures to run them are sentences. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CommandOptions, type CommandResult, runCommand } from './command.ts';
import { OperatingError } from './errors.ts';

async function runScript(script: string, options: CommandOptions = {}): Promise<CommandResult> {
  return await runCommand(process.execPath, ['-e', script], options);
}

test('status, output and errors come back, and lines as they come', async () => {
  const lines: string[] = [];
  const script = 'console.log("a\\nb"); console.error("e"); process.stdout.write("c"); process.exitCode = 3';
  const result = await runScript(script, { onLine: (line) => lines.push(line) });
  assert.deepEqual(result, { status: 3, stdout: 'a\nb\nc', stderr: 'e\n' });
  assert.deepEqual(lines, ['a', 'b']);
});

test('a program that is not there is named', async () => {
  const isRefusal = (error: unknown): boolean =>
    error instanceof OperatingError && error.message.startsWith('cannot run no-such-program: there is no such file');
  await assert.rejects(runCommand('no-such-program', []), isRefusal);
});

test('an aborted program is ended', async () => {
  const abort = new AbortController();
  const running = runScript('console.log("up"); setInterval(() => {}, 1000)', {
    signal: abort.signal, onLine: () => abort.abort(),
  });
  await assert.rejects(running, /was interrupted/);
});
