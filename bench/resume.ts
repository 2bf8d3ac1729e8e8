/**
 * How long does it take a saved guest of 512 MiB to answer a request through AF_VSOCK, beside its own cold boot?
 * `npm run bench resume [ROUNDS]`: a program restores it with the library, in a process of its own as always; rounds
 * are interleaved, the figures are medians of milliseconds. Processor time, of all threads, is what a busy host changes
 * least.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Host, type VM } from 'partout';
import { extendInitramfs } from '../tests/initramfs.ts';
import { processorSeconds } from '../tests/proofs/host-process.ts';
import { ECHO_PORT, vsockProgram } from '../tests/vsock-program.ts';
import { median, tinyImage } from './guest-run.ts';

const REQUEST = 'is anybody there?';
const ROUNDS = 7;

await using host = await Host.open();

/** Until the guest's program has answered. */
async function answered(vm: VM): Promise<void> {
  const stream = await vm.socket(ECHO_PORT);
  stream.end(REQUEST);
  let text = '';
  for await (const part of stream) text += String(part);
  if (text !== REQUEST) throw new Error(`the guest answered with ${text.length} bytes, not with what it was sent`);
}

async function booted(kernel: string, initrd: string): Promise<VM> {
  const commandLine = 'console=ttyS0 quiet partout.run=vsock';
  const vm = await host.createVM({ name: 'booted', kernel, initrd, commandLine, memory: '512M', nics: [] });
  await vm.start();
  let text = '';
  for await (const part of vm.console) {
    text += String(part);
    if (text.includes('listening')) break;
  }
  await answered(vm);
  return vm;
}

async function restored(file: string): Promise<VM> {
  const vm = await host.restore({ name: 'restored', file });
  await answered(vm);
  return vm;
}

/** Milliseconds, of the clock and of processors. */
async function timed(action: () => Promise<VM>): Promise<[wall: number, processor: number]> {
  const used = processorSeconds(process.pid);
  const started = performance.now();
  await using _ = await action();
  return [performance.now() - started, (processorSeconds(process.pid) - used) * 1000];
}

const rounds = Number(process.argv[2] ?? ROUNDS);
const folder = mkdtempSync(join(tmpdir(), 'partout-bench-'));
const { kernel, initrd: plain } = tinyImage();
const [initrd, file] = [join(folder, 'initrd'), join(folder, 'state')];
extendInitramfs(plain, { 'bin/vsock': vsockProgram() }, initrd);
{
  await using vm = await booted(kernel, initrd);
  await vm.saveState(file);
}
const boots: [number, number][] = [];
const restores: [number, number][] = [];
for (let round = 0; round < rounds; round++) {
  boots.push(await timed(() => booted(kernel, initrd)));
  restores.push(await timed(() => restored(file)));
}
rmSync(folder, { recursive: true });
for (const [name, figures] of [['cold boot', boots], ['restore', restores]] as const) {
  const [wall, processor] = [median(figures.map(([each]) => each)), median(figures.map(([, each]) => each))];
  const ratio = (wall / median(boots.map(([each]) => each))).toFixed(3);
  process.stdout.write(`${name.padEnd(10)} to the first answer ${wall.toFixed(0).padStart(6)} ms  ${ratio} × a boot, ` +
    `${processor.toFixed(0)} ms of processors\n`);
}
process.exit(0);
