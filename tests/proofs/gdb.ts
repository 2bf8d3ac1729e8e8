/**
 * A stock gdb at a stock kernel: breaks in start_kernel and in a program of the guest's, prints backtraces with names,
 * steps a system call from the program into the kernel and over it, and detaches; the guest goes on to the end of its
 * work. Needs gdb and gcc.
 */

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/vswitch/testing/free-port.ts';
import { Guest, guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { symbolFile } from './symbols.ts';

const BOOT_MS = 10 * 60_000;
const PROGRAM = `
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
long inner(long n) {
  long id = syscall(SYS_getpid);
  return id > 0 ? n + 1 : 0;
}
long outer(long n) { return inner(n * 2) + 1; }
int main(void) { printf("the program says %ld\\n", outer(20)); return 0; }
`;
const STEP_TO_SYSCALL = 'python [gdb.execute("stepi", to_string=True) for _ in iter(lambda: "syscall" in ' +
  'gdb.execute("x/i $pc", to_string=True).split(":")[-1], True)]';
const LIST_SYMBOLS = 'grep -E " (start_kernel|secondary_startup_64|entry_SYSCALL_64)$" /proc/kallsyms';
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
const source = join(folder, 'program.c');
const program = join(folder, 'program');
const symbols = join(folder, 'kernel.elf');
const initrd = join(folder, 'initrd');

async function debugged(commands: readonly string[]): Promise<string> {
  const gdb = spawn('gdb', ['-q', '-nx', '-batch', ...commands.flatMap((command) => ['-ex', command])]);
  let output = '';
  for (const stream of [gdb.stdout, gdb.stderr]) stream.on('data', (bytes: Buffer) => { output += bytes.toString(); });
  await new Promise((resolve) => { gdb.on('close', resolve); });
  return output;
}

/** Where functions are in this kernel, told by itself. */
async function kernelSymbols(image: { kernel: string; append: string }): Promise<string> {
  await using guest = new Guest({
    kernel: image.kernel, initrd,
    append: `${image.append} partout.run=${LIST_SYMBOLS}`,
  });
  await guest.exited;
  return guest.console.replaceAll('\r', '');
}

const EXPECTED: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a break in start_kernel', /Breakpoint 1, 0x[\da-f]+ in start_kernel/],
  ['the kernel in a backtrace', /#0 +0x[\da-f]+ in start_kernel[^]*?#1 +0x[\da-f]+ in secondary_startup_64/],
  ['a break in the program', /Breakpoint 2, inner \(n=/],
  ['the program in a backtrace', /#0 +inner \(n=[^]*?#1 [^\n]* in outer \(n=20\)[^]*?#2 [^\n]* in main/],
  ['a step into the kernel', /stepped to [^\n]*entry_SYSCALL_64/],
  ['a step over the system call', /returned to [^\n]*<syscall\+/],
  ['the registers of the program', /id is [1-9]\d*/],
  ['a detach', /detached/],
];

try {
  writeFileSync(source, PROGRAM);
  const compiled = spawnSync('gcc', ['-g', '-O0', '-static', '-no-pie', '-o', program, source], { encoding: 'utf8' });
  if (compiled.status !== 0) throw new Error(`gcc is needed: ${compiled.stderr}`);
  const image = guestImage('tiny');
  extendInitramfs(image.initrd, { program: readFileSync(program) }, initrd);
  const append = `${image.commandLine} nokaslr`;
  writeFileSync(symbols, symbolFile(await kernelSymbols({ kernel: image.kernel, append })));
  const port = await freePort();
  await using guest = new Guest({
    kernel: image.kernel, initrd, append: `${append} partout.run=/program`, words: ['--gdb', `${port},wait`],
  });
  const output = await debugged([
    'set confirm off', 'set pagination off', `symbol-file ${symbols}`, `add-symbol-file ${program}`,
    `target remote localhost:${port}`, 'break start_kernel', 'continue', 'backtrace 2', 'break inner', 'continue',
    'backtrace 3', 'delete', 'break syscall', 'continue', 'delete',
    // To the instruction itself, into the kernel, and back.
    STEP_TO_SYSCALL,
    'set $next = $pc + 2', 'stepi', 'printf "stepped to "', 'info symbol $pc', 'tbreak *$next', 'continue',
    'printf "returned to "', 'x/i $pc', 'finish', 'next', 'printf "id is %ld\\n", id', 'detach',
  ]);
  const missing = EXPECTED.filter(([, pattern]) => !pattern.test(output)).map(([what]) => what);
  const status = await Promise.race([guest.exited, new Promise<number>((resolve) => {
    setTimeout(() => resolve(-1), BOOT_MS).unref();
  })]);
  const goesOn = status === 0 && guest.console.includes('the program says 42');
  if (missing.length > 0 || !goesOn) process.stdout.write(`${output}\n${guest.console.slice(-1500)}\n`);
  const not = missing.length > 0 ? ` (not: ${missing.join(', ')})` : '';
  process.stdout.write(`figure: gdb did ${EXPECTED.length - missing.length} of ${EXPECTED.length} things${not}; ` +
    `the guest ${goesOn ? 'went on' : 'did not go on'}\n`);
  process.exitCode = missing.length === 0 && goesOn ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
