/** `partout image seed`: what a system is to be told at its first boot. */

import { readFile } from 'node:fs/promises';
import { systemError } from '../kit/errors.ts';
import type { Command } from './command.ts';
import { STATUS } from './endings.ts';
import { JSON_OPTION, writeData } from './output.ts';

export const seedCommand: Command = {
  words: ['image', 'seed'],
  summary: 'Make a disc that tells a system its name, user and network at its first boot, as cloud-init reads it',
  operands: [{ name: 'FILE', summary: 'the new disc, to be given as one more --disk' }],
  options: [
    { name: 'hostname', value: 'NAME', summary: 'what the system is called' },
    { name: 'user', value: 'NAME', summary: 'a user who may do everything with sudo' },
    { name: 'password', value: 'TEXT', summary: 'of that user; without one only his keys let him in' },
    { name: 'ssh-key', value: 'FILE', summary: 'a public key, for that user or for root', repeatable: true },
    { name: 'address', value: 'ADDRESS/LENGTH', summary: 'of the first network adapter; it asks for one when absent' },
    { name: 'gateway', value: 'ADDRESS', summary: 'with --address' },
    { name: 'dns', value: 'ADDRESS', summary: 'a name server, with --address', repeatable: true },
    { name: 'user-data', value: 'FILE', summary: "a user-data of one's own, in place of the user and his keys" },
    JSON_OPTION,
  ],
  run: async (invocation) => {
    const [path = ''] = invocation.operands;
    const { writeSeed } = await import('../images/seed.ts');
    const keys = await Promise.all(invocation.values('ssh-key').map(readText));
    const own = invocation.value('user-data');
    writeSeed(path, {
      hostname: invocation.value('hostname'), user: invocation.value('user'), password: invocation.value('password'),
      sshKeys: keys.flatMap((text) => text.split('\n').map((line) => line.trim()).filter((line) => line !== '')),
      address: invocation.value('address'), gateway: invocation.value('gateway'), nameServers: invocation.values('dns'),
      userData: own === undefined ? undefined : await readText(own),
    }, Date.now());
    await writeData(invocation, { path }, () => '');
    return STATUS.done;
  },
};

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw systemError(`read ${path}`, error);
  }
}
