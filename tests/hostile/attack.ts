/**
 * Runs hostile guests in this process, one seed after the other, and keeps count of how the host takes it: what ended,
 * how long its event loop stood still, and how much memory it has. A machine that fails is told to the caller.
 */

import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { NetworkEndpoint } from '../../src/kit/network-endpoint.ts';
import type { MachineEnd } from '../../src/machine/description.ts';
import { Machine } from '../../src/machine/machine.ts';
import { HOSTILE_MEMORY_BYTES, hostileGuest } from './program.ts';

const STOP_MS = 10_000;
const DISK_BYTES = 8 * 2 ** 20;

export interface AttackReport {
  /** Guests by how they ended; `stopped` are those whose time was up. */
  readonly ends: Readonly<Record<string, number>>;
  /** Lists of operations that guests went through from end to end. */
  readonly passes: number;
  readonly reboots: number;
  readonly longestDelayMs: number;
  /** Resident memory after each guest was gone. */
  readonly residentBytes: readonly number[];
}

/** A link that swallows what the guest sends, and gives it back sometimes. */
class Mirror implements NetworkEndpoint {
  readonly isConnected = true;
  onConnectionChange: (() => void) | undefined;
  #receiver: Parameters<NetworkEndpoint['setReceiver']>[0] | undefined;
  #frames = 0;

  setReceiver(receiver: Parameters<NetworkEndpoint['setReceiver']>[0]): void {
    this.#receiver = receiver;
  }

  deliver(buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    if (this.#frames++ % 3 === 0) this.#receiver?.deliver(buffer, offset, length, offload, segmentBytes);
    return this.#frames % 7 !== 0;
  }

  flush(): void {}
  close(): void {}
}

export async function attack(options: {
  readonly seeds: readonly number[];
  readonly millisecondsEach: number;
}): Promise<AttackReport> {
  const folder = mkdtempSync(join(tmpdir(), 'partout-hostile-'));
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const ends: Record<string, number> = {};
  const residentBytes: number[] = [];
  let [passes, reboots] = [0, 0];
  try {
    for (const seed of options.seeds) {
      const run = await one(folder, seed, options.millisecondsEach);
      ends[run.end] = (ends[run.end] ?? 0) + 1;
      passes += run.passes;
      reboots += run.reboots;
      residentBytes.push(process.memoryUsage().rss);
    }
  } finally {
    delay.disable();
    rmSync(folder, { recursive: true, force: true });
  }
  return { ends, passes, reboots, residentBytes, longestDelayMs: delay.max / 1e6 };
}

async function one(folder: string, seed: number, milliseconds: number):
Promise<{ end: string; passes: number; reboots: number }> {
  const [kernel, disk] = [join(folder, 'kernel'), join(folder, 'disk')];
  writeFileSync(kernel, hostileGuest(seed));
  writeFileSync(disk, '');
  truncateSync(disk, DISK_BYTES);
  let passes = 0;
  const machine = await Machine.create({
    kernel, commandLine: '', memoryBytes: HOSTILE_MEMORY_BYTES, processors: 2, rebootInPlace: true, debugExit: false,
    disks: [{ path: disk, readOnly: false }], nics: [{ network: 'mirror' }],
  }, {
    console: { output: (bytes) => { passes += bytes.filter((byte) => byte === '.'.charCodeAt(0)).length; } },
    connectNetwork: () => new Mirror(),
  });
  let timer: NodeJS.Timeout | undefined;
  const time = new Promise<'stopped'>((resolve) => { timer = setTimeout(() => resolve('stopped'), milliseconds); });
  const end = await Promise.race([machine.start(), time]);
  clearTimeout(timer);
  const { reboots } = machine.statistics() as { reboots: number };
  await machine.stop(STOP_MS);
  if (end !== 'stopped' && end.kind === 'failed') throw new Error(`seed ${seed} broke the machine: ${end.message}`);
  return { end: end === 'stopped' ? end : nameOf(end), passes, reboots };
}

function nameOf(end: MachineEnd): string {
  return end.kind;
}
