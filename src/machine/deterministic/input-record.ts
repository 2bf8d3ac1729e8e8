/**
 * What was typed on a guest's console, and at which virtual time: a text file of lines `NANOSECONDS HEXADECIMAL`, in
 * order, behind a first line that says what it is.
 */

import { OperatingError } from '../../kit/errors.ts';

const TITLE = 'partout input 1';
/** Somebody types; nobody types more. */
const MAXIMUM_BYTES = 16 * 2 ** 20;

export interface InputEntry {
  readonly timeNs: number;
  readonly bytes: Uint8Array;
}

export function inputTitle(): string {
  return `${TITLE}\n`;
}

export function inputLine({ timeNs, bytes }: InputEntry): string {
  return `${timeNs} ${Buffer.from(bytes).toString('hex')}\n`;
}

/** @throws OperatingError for a text that is no such record */
export function parseInputRecord(text: string, name: string): InputEntry[] {
  const wrong = (what: string): OperatingError =>
    new OperatingError('bad-input', `${name} is no record of console input: ${what}`);
  if (text.length > MAXIMUM_BYTES) throw wrong(`it has more than ${MAXIMUM_BYTES} characters`);
  const [title, ...lines] = text.split('\n');
  if (title !== TITLE) throw wrong(`its first line is not "${TITLE}"`);
  if (lines.pop() !== '') throw wrong('its last line does not end');
  let last = 0;
  return lines.map((line, index) => {
    const [, time = '', bytes = ''] = /^(\d{1,15}) ((?:[\da-f]{2})+)$/.exec(line) ?? [];
    const timeNs = Number(time);
    if (bytes === '') throw wrong(`line ${index + 2} is not a time in nanoseconds and bytes in hexadecimal`);
    if (timeNs < last) throw wrong(`line ${index + 2} goes back in time`);
    last = timeNs;
    return { timeNs, bytes: Uint8Array.from(Buffer.from(bytes, 'hex')) };
  });
}
