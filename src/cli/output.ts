/**
 * Where the command line writes: data to standard output (as text for people, or as JSON with --json), everything else
 * to standard error.
 */

import type { Writable } from 'node:stream';
import type { Invocation, Option } from './command.ts';

/** How long the last output may take to reach a slow reader. */
const FLUSH_MS = 2000;

export const JSON_OPTION: Option = { name: 'json', summary: 'print data as JSON' };

/** Prints what a command is for. Resolves when it is written. */
export async function writeData(invocation: Invocation, data: unknown, asText: () => string): Promise<void> {
  const text = invocation.has('json') ? JSON.stringify(data, undefined, 2) : asText();
  if (text !== '') await write(process.stdout, `${text}\n`);
}

/** Something for the person who watches: a line, or several of which the first says whose they are. */
export function say(line: string): void {
  process.stderr.write(`partout: ${line}\n`);
}

export async function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/** Waits until what was written has left; a reader that takes nothing for so long is given up. */
export async function flush(stream: Writable): Promise<void> {
  if (stream.destroyed) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, FLUSH_MS);
    stream.write('', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Rows under a heading, in columns as wide as they need. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] as number)).join('  ').trimEnd();
  return all.map(line).join('\n');
}
