/**
 * One run of the tiny image on Partout or on QEMU's software engine (TCG): the same kernel file, initrd and command
 * line.
 * Time counts from the start of the process until the console shows `marker`.
 */

import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PARTOUT = fileURLToPath(new URL('../../bin/partout', import.meta.url));

/** Of a guest, unless another is asked for. */
export const MEMORY_MIB = 512;

export interface Engine {
  readonly name: string;
  /** Program and words that boot `kernel` and `initrd` with `append`, the serial console on standard output. */
  command(kernel: string, initrd: string, append: string, memoryMib: number): [program: string, ...words: string[]];
}

export const PARTOUT_ENGINE: Engine = {
  name: 'Partout',
  command: (kernel, initrd, append, memoryMib) =>
    [PARTOUT, 'boot', '--kernel', kernel, '--initrd', initrd, '--append', append, '--memory', `${memoryMib}M`],
};

/** The peers of design: {q35, microvm} × {everything that TCG has, our own CPU level}. */
export const TCG_ENGINES: readonly Engine[] =
  ['q35', 'microvm'].flatMap((machine) => ['max', 'Nehalem'].map((cpu): Engine => ({
  name: `TCG ${machine} ${cpu}`,
  command: (kernel, initrd, append, memoryMib) =>
    ['qemu-system-x86_64', '-M', machine, '-accel', 'tcg', '-cpu', cpu, '-m', String(memoryMib), '-display', 'none',
    '-serial', 'stdio', '-nodefaults', '-no-reboot', '-kernel', kernel, '-initrd', initrd, '-append', append],
})));

export function hasQemu(): boolean {
  return spawnSync('qemu-system-x86_64', ['--version']).status === 0;
}

/** Kernel and initrd of the tiny image, built if they are not there. */
export function tinyImage(): { kernel: string; initrd: string } {
  const { status, stdout, stderr } = spawnSync(PARTOUT, ['image', 'build', 'tiny', '--json'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`partout image build tiny ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as { kernel: string; initrd: string };
}

/** Boots, waits for `marker`, ends the machine. The seconds until then, and what the console showed. */
export function runUntil(
  engine: Engine, image: { kernel: string; initrd: string }, append: string, marker: RegExp, timeoutMs = 300_000,
  memoryMib = MEMORY_MIB,
): Promise<{ seconds: number; console: string }> {
  const [program, ...words] = engine.command(image.kernel, image.initrd, append, memoryMib);
  const started = performance.now();
  const machine = spawn(program, words, { stdio: ['ignore', 'pipe', 'ignore'] });
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => machine.kill('SIGKILL'), timeoutMs);
    machine.stdout.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (!marker.test(text)) return;
      const seconds = (performance.now() - started) / 1000;
      machine.stdout.removeAllListeners('data');
      machine.kill('SIGKILL');
      resolve({ seconds, console: text });
    });
    machine.on('close', () => {
      clearTimeout(timer);
      reject(new Error(`${engine.name} ended before its console showed ${marker}:\n${text.slice(-2000)}`));
    });
    machine.on('error', reject);
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] as number;
}
