/** How a run ended, as an exit status and as lines for standard error. */

import { unreachable } from '../kit/assert.ts';
import type { MachineEnd } from '../machine/description.ts';

/** Statuses of `partout boot` beside those of operating errors. */
export const STATUS = {
  done: 0, failed: 1, crashed: 8, timeout: 124, hangUp: 129, interrupted: 130, terminated: 143,
} as const;

export interface Ending {
  readonly status: number;
  /** What to say, in order. */
  readonly lines: readonly string[];
}

export function endingOf(end: MachineEnd): Ending {
  switch (end.kind) {
    case 'off':
    case 'reset':
      return { status: STATUS.done, lines: [] };
    case 'crash': {
      const parameters = end.parameters.map((value, index) => `P${index}=${value}`).join(' ');
      return { status: STATUS.crashed, lines: [...traceLines(end.trace), `the guest crashed: ${parameters}`] };
    }
    case 'triple-fault':
      return { status: STATUS.crashed, lines: [...traceLines(end.trace), 'the guest shut down by a triple fault'] };
    case 'debug-exit':
      return { status: end.status, lines: [] };
    case 'failed':
      return { status: STATUS.failed, lines: [end.message] };
    default:
      return unreachable(end);
  }
}

/** The trace is one thing to say, of many lines. */
function traceLines(trace: readonly string[]): string[] {
  return trace.length === 0 ? [] : [['trace, oldest first:', ...trace.map((line) => `  ${line}`)].join('\n')];
}
