/**
 * The switch process: `node process.js CONFIGURATION RUNTIME`. It holds a lock as long as it lives, so that there is
 * one for each runtime directory; whoever needs a switch and finds none starts another (start.ts).
 */
import { HostClock } from '../../kit/clock.ts';
import { tryProcessLock } from '../../kit/process-lock.ts';
import { SwitchServer } from './server.ts';
import { lifeLock } from './start.ts';
import { SwitchDirectory } from './switch-directory.ts';

/** Longer than a VM takes to come back after a restart of its own. */
const IDLE_MS = 10_000;
const ALIVE_MS = 3_600_000;

const [configuration = '', runtime = ''] = process.argv.slice(2);
const directory = new SwitchDirectory({ configuration, runtime });
const lock = await tryProcessLock(lifeLock(directory));
// Another is there already.
if (lock === undefined) process.exit(0);
const alive = setInterval(() => {}, ALIVE_MS);
const end = async (): Promise<void> => {
  clearInterval(alive);
  await server.close();
  process.exit(0);
};
const server = new SwitchServer({
  directory, clock: new HostClock(), idleMs: IDLE_MS, onIdle: () => void end(),
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end());
process.on('SIGHUP', () => {});
await server.listen();
