/** Runs the guest of a build: a machine whose console is read line by line. */

import type { BuildGuest } from '../images/guest-run.ts';
import { Machine } from '../machine/machine.ts';
import { endingOf } from './endings.ts';

const STOP_DEADLINE_MS = 5000;
const LINE_CHARACTERS_MAX = 4096;
/** Some time that is shorter than the longest timer. */
const LONG_MS = 3_600_000;
const MIB = 2 ** 20;

/** As `RunGuest` says. */
export async function run(
  guest: BuildGuest, onLine: (line: string) => void, signal: AbortSignal | undefined,
): Promise<string | undefined> {
  let partial = '';
  const output = (bytes: Uint8Array): void => {
    const lines = (partial + Buffer.from(bytes).toString('latin1')).split(/\r*\n/);
    partial = lines.pop()!.slice(-LINE_CHARACTERS_MAX);
    for (const line of lines) onLine(line);
  };
  const { kernel, initrd, commandLine, disks } = guest;
  const machine = await Machine.create({
    kernel, initrd, commandLine, disks, memoryBytes: guest.memoryMiB * MIB, processors: 1, nics: [],
    rebootInPlace: false, debugExit: false,
  }, { console: { output } });
  const stop = (): void => void machine.stop(STOP_DEADLINE_MS);
  signal?.addEventListener('abort', stop, { once: true });
  // A run lasts until something ends it, whatever the machine leaves open in the event loop.
  const alive = setInterval(() => {}, LONG_MS);
  try {
    const end = await machine.start();
    return end.kind === 'off' ? undefined : endingOf(end).lines[0] ?? `it ended by ${end.kind}`;
  } finally {
    clearInterval(alive);
    signal?.removeEventListener('abort', stop);
    await machine.stop(STOP_DEADLINE_MS);
  }
}
