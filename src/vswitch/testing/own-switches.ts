/** A switch process of the test's own, with directories that nobody else has, and NICs on it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { SwitchLink, type SwitchLinkOptions } from '../link/switch-link.ts';
import { ask } from '../service/ask.ts';
import { reachSwitches, startSwitches } from '../service/start.ts';
import { SwitchDirectory } from '../service/switch-directory.ts';

export class OwnSwitches implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'partout-switch-'));
  readonly directory = new SwitchDirectory({ configuration: this.#folder, runtime: this.#folder });
  readonly #nics: StreamNic[] = [];

  nic(options: Omit<SwitchLinkOptions, 'reach'>): StreamNic {
    const nic = new StreamNic({ ...options, reach: (reading) => startSwitches(this.directory, reading) });
    this.#nics.push(nic);
    return nic;
  }

  /** The process that runs now; undefined when none does. */
  async processId(): Promise<number | undefined> {
    const socket = await reachSwitches(this.directory);
    if (socket === undefined) return undefined;
    return (await ask(socket, { kind: 'process' }) as { pid: number }).pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const nic of this.#nics) nic.link.close();
    const pid = await this.processId().catch(() => undefined);
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A NIC that keeps what it gets. */
export class StreamNic {
  readonly link: SwitchLink;
  readonly got: Uint8Array[] = [];
  /** It takes frames. */
  hasRoom = true;

  constructor(options: SwitchLinkOptions) {
    this.link = new SwitchLink(options);
    this.link.setReceiver({
      deliver: (buffer, offset, length) =>
        this.hasRoom && this.got.push(buffer.slice(offset, offset + length)) > 0,
    }, () => {});
  }

  send(frame: Uint8Array, offload = 0, segmentBytes = 0): boolean {
    const isTaken = this.link.deliver(frame, 0, frame.length, offload, segmentBytes);
    this.link.flush();
    return isTaken;
  }
}

/** Waits until something holds; the limit is for a test that hangs. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!await holds()) {
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`);
    await wait(10);
  }
}
