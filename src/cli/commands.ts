/** The command table. What a command needs is loaded when it runs, so that the others start at once. */

import type { Command } from './command.ts';
import { BOOT_OPTIONS, bootRequest } from './boot-request.ts';
import { imageCommands } from './image.ts';
import { nicCommands } from './nic.ts';
import { say } from './output.ts';
import { switchCommands } from './switch.ts';
import { vhdCommands } from './vhd.ts';
import { versionCommand } from './version.ts';

const bootCommand: Command = {
  words: ['boot'],
  summary: 'Run one virtual machine in the foreground; its serial console is standard input and output',
  operands: [],
  options: BOOT_OPTIONS,
  notes: [
    'On a terminal the input is raw: Ctrl-C reaches the guest, Ctrl-] leaves.',
    'Otherwise SIGINT and SIGTERM end the run.',
    'SIGUSR1 prints a tree of live state.',
    '',
    'With --save FILE, SIGUSR2 writes the guest there, memory and all, and ends the run; --restore FILE goes on from',
    'it. Its disks must be as they were: they are refused when they have changed, unless --disk names them. The',
    "guest's clock jumps to the present, its connections through NAT and AF_VSOCK are reset. Two guests restored from",
    'one state begin with the same random numbers: their kernels are told so by the VM Generation ID, but have guests',
    'whose kernel does not know that, and programs that keep random state, gather entropy before they make keys.',
    '',
    'Exit status: 0 the guest powered off, 8 the guest crashed, 1 we failed, 2 the command line or a file is wrong,',
    '124 timeout, 130 or 143 interrupted.',
  ].join('\n'),
  run: async (invocation) => {
    const request = bootRequest(invocation);
    const [{ boot }, { Machine }] = await Promise.all([import('./boot.ts'), import('../machine/machine.ts')]);
    return boot(request, {
      createMachine: (description, ports) => Machine.create(description, ports),
      restoreMachine: (state, ports) => Machine.restore(state, ports),
      streams: { input: process.stdin, output: process.stdout },
      signals: process,
      say,
    });
  },
};

export const COMMANDS: readonly Command[] =
  [bootCommand, ...imageCommands, ...vhdCommands, ...switchCommands, ...nicCommands, versionCommand];
