/** Reaches the switch process, and starts it when there is none. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { connect, type OnReadOpts, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { Disposables } from '../../kit/disposables.ts';
import { OperatingError } from '../../kit/errors.ts';
import { acquireProcessLock } from '../../kit/process-lock.ts';
import type { SwitchDirectory } from './switch-directory.ts';

/** A process that has not begun to listen by then will not, even where much else is going on. */
const START_MS = 30_000;
const LOOK_MS = 20;

/** Held by the switch process. */
export function lifeLock(directory: SwitchDirectory): string {
  return `switch-${identity(directory)}`;
}

/**
 * A connection to the process that runs; undefined when there is none.
 * @param onread how it is read, if not as a stream
 */
export async function reachSwitches(directory: SwitchDirectory, onread?: OnReadOpts): Promise<Socket | undefined> {
  const socket = connect({ path: directory.socketPath, ...(onread && { onread }) });
  const isReached = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  });
  if (isReached) return socket;
  socket.destroy();
  return undefined;
}

/**
 * A connection to the switch process, which is started if need be. One of those who want it starts it; the others wait.
 * @param onread how it is read, if not as a stream
 * @throws OperatingError when it does not come up.
 */
export async function startSwitches(directory: SwitchDirectory, onread?: OnReadOpts): Promise<Socket> {
  const running = await reachSwitches(directory, onread);
  if (running !== undefined) return running;
  await using owned = new Disposables();
  owned.use(await acquireProcessLock(`switch-start-${identity(directory)}`));
  const started = await reachSwitches(directory, onread);
  if (started !== undefined) return started;
  spawnProcess(directory);
  const deadline = performance.now() + START_MS;
  while (performance.now() < deadline) {
    const socket = await reachSwitches(directory, onread);
    if (socket !== undefined) return socket;
    await wait(LOOK_MS);
  }
  throw new OperatingError('host', `the switch process does not start: ${directory.logPath} may say why`);
}

/** A process of its own, which outlives this one. */
function spawnProcess(directory: SwitchDirectory): void {
  const log = openSync(directory.logPath, 'w', 0o600);
  try {
    const program = new URL('./process.js', import.meta.url).pathname;
    const child = spawn(
      process.execPath, ['--enable-source-maps', program, directory.configuration, directory.runtime],
      { detached: true, stdio: ['ignore', log, log], cwd: '/' });
    child.on('error', () => {});
    child.unref();
  } finally {
    closeSync(log);
  }
}

/** A lock's name is short, whatever the directory's is. */
function identity({ runtime }: SwitchDirectory): string {
  return createHash('sha256').update(runtime).digest('hex').slice(0, 16);
}
