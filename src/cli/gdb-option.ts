/** `--gdb PORT[,wait]` of `partout boot`: where a debugger connects, and whether the guest waits for it. */

import { OperatingError } from '../kit/errors.ts';
import type { GdbDescription } from '../machine/description.ts';

const MAXIMUM_PORT = 65_535;

export function gdbOf(text: string | undefined): GdbDescription | undefined {
  if (text === undefined) return undefined;
  const [, digits, wait] = /^(\d{1,5})(,wait)?$/.exec(text) ?? [];
  const port = Number(digits ?? 0);
  if (port < 1 || port > MAXIMUM_PORT) {
    throw new OperatingError(
      'usage', `--gdb is a port of 1 to ${MAXIMUM_PORT}, such as 1234 or 1234,wait, not ${text}`);
  }
  return { port, wait: wait !== undefined };
}
