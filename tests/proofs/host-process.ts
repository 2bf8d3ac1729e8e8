/** What the host's kernel says about a process and those below it [proc(5)]. */

import { readFileSync, readdirSync } from 'node:fs';

/** Clock ticks a second in /proc; every x86-64 Linux has this number. */
const TICKS = 100;

/** Processor seconds that a process with its descendants has used, all threads. */
export function processorSeconds(pid: number): number {
  return family(pid).reduce((sum, each) => {
    const fields = statOf(each);
    return sum + (Number(fields[11]) + Number(fields[12])) / TICKS;
  }, 0);
}

/** Resident bytes of a process with its descendants. */
export function residentBytes(pid: number): number {
  return family(pid).reduce((sum, each) => {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${each}/status`, 'utf8'))?.[1];
    return sum + Number(kib ?? 0) * 1024;
  }, 0);
}

/** Resident bytes of this process in mappings of less than `limit` bytes: without a guest's memory, which is one. */
export function residentBytesBelow(limit: number): number {
  const mappings = readFileSync('/proc/self/smaps', 'utf8').matchAll(/^Size:\s+(\d+) kB\n[^]*?^Rss:\s+(\d+) kB$/gm);
  let kib = 0;
  for (const [, size, resident] of mappings) if (Number(size) * 1024 < limit) kib += Number(resident);
  return kib * 1024;
}

function family(pid: number): number[] {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);
  const children = all.filter((each) => Number(statOf(each)[1]) === pid);
  return [pid, ...children.flatMap(family)];
}

/** The fields after the name, which may hold anything: state, parent, … A process that is gone has none. */
function statOf(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}
