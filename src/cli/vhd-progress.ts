/** Long work on a disk: a line of progress, and an end when it is interrupted. */

import type { Work } from '../storage/work.ts';
import { STATUS } from './endings.ts';
import { ProgressLine } from './progress-line.ts';

/** @returns the exit status. */
export async function withProgress(step: string, run: (work: Work) => Promise<void>): Promise<number> {
  const abort = new AbortController();
  let interrupted: number | undefined;
  const interrupt = (status: number) => (): void => {
    interrupted = status;
    abort.abort();
  };
  process.once('SIGINT', interrupt(STATUS.interrupted)).once('SIGTERM', interrupt(STATUS.terminated));
  const line = new ProgressLine(process.stderr);
  try {
    await run({
      signal: abort.signal,
      progress: (fraction) => {
        if (fraction < 1) line.show(step, fraction);
        else line.close();
      },
    });
    return STATUS.done;
  } catch (error) {
    if (interrupted !== undefined) return interrupted;
    throw error;
  } finally {
    line.close();
  }
}
