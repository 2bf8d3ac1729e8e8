/** `partout version`: the package's version and what it runs on. */

import { readFileSync } from 'node:fs';
import type { Command } from './command.ts';
import { JSON_OPTION, writeData } from './output.ts';

export const versionCommand: Command = {
  words: ['version'],
  summary: 'Say which version this is',
  operands: [],
  options: [JSON_OPTION],
  run: async (invocation) => {
    const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
    const { version } = JSON.parse(text) as { version: string };
    const { arch, platform } = process;
    await writeData(invocation, { version, node: process.versions.node, platform, arch }, () => `partout ${version}`);
    return 0;
  },
};
