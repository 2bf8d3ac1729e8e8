/**
 * How long from the start of the process until a saved guest of 512 MiB answers a request through AF_VSOCK, beside its
 * own cold boot? `npm run bench resume [ROUNDS]`: rounds are interleaved, the figures are medians of milliseconds. The
 * same within a process that runs already says what starting Node takes of it.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Machine } from '../src/machine/machine.ts';
import { extendInitramfs } from '../tests/initramfs.ts';
import { ECHO_PORT, vsockProgram } from '../tests/vsock-program.ts';
import { median, tinyImage } from './guest-run.ts';

const MEMORY_BYTES = 512 * 2 ** 20;
const STOP_MS = 5000;
const RETRY_MS = 20;
const REQUEST = 'is anybody there?';

/** Until the guest's program has answered; before it listens, connecting fails. */
async function answered(machine: Machine): Promise<void> {
  for (;;) {
    try {
      const stream: Duplex = await machine.vmbus.sockets.connect(ECHO_PORT, 60_000);
      stream.end(REQUEST);
      let text = '';
      for await (const part of stream) text += String(part);
      if (text === REQUEST) return;
    } catch {
      await setTimeout(RETRY_MS);
    }
  }
}

async function booted(kernel: string, initrd: string): Promise<Machine> {
  const commandLine = 'console=ttyS0 quiet partout.run=vsock';
  const machine = await Machine.create({
    kernel, initrd, commandLine, memoryBytes: MEMORY_BYTES, processors: 1, rebootInPlace: false, debugExit: false,
  }, { console: { output: () => {} } });
  void machine.start();
  await answered(machine);
  return machine;
}

async function restored(file: string): Promise<Machine> {
  const machine = await Machine.restore({ file }, { console: { output: () => {} } });
  void machine.start();
  await answered(machine);
  return machine;
}

/** This file again, as a process that restores the state, says so when it was answered, and ends. */
async function inProcess(file: string): Promise<number> {
  const started = performance.now();
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), '--restore', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const milliseconds = performance.now() - started;
  await once(child, 'exit');
  return milliseconds;
}

async function timed(action: () => Promise<Machine>): Promise<number> {
  const started = performance.now();
  const machine = await action();
  const milliseconds = performance.now() - started;
  await machine.stop(STOP_MS);
  return milliseconds;
}

async function compare(rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'partout-bench-'));
  const image = tinyImage();
  const initrd = join(folder, 'initrd');
  const file = join(folder, 'state');
  extendInitramfs(image.initrd, { 'bin/vsock': vsockProgram() }, initrd);
  const saved = await booted(image.kernel, initrd);
  await saved.save(file);
  const figures = { boot: [] as number[], process: [] as number[], within: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    figures.boot.push(await timed(() => booted(image.kernel, initrd)));
    figures.process.push(await inProcess(file));
    figures.within.push(await timed(() => restored(file)));
  }
  rmSync(folder, { recursive: true });
  const boot = median(figures.boot);
  const say = (name: string, value: number): void => {
    const ratio = (value / boot).toFixed(3);
    process.stdout.write(`${name.padEnd(34)} ${value.toFixed(0).padStart(7)} ms  ${ratio} × a boot\n`);
  };
  say('cold boot to the first answer', boot);
  say('restore, from the process on', median(figures.process));
  say('restore, in a process that runs', median(figures.within));
}

const [first, file = ''] = process.argv.slice(2);
if (first === '--restore') {
  const machine = await restored(file);
  process.stdout.write('answered\n');
  await machine.stop(STOP_MS);
} else {
  await compare(Number(first ?? 5));
}
process.exit(0);
