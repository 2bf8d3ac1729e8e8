/** What takes commands of the host in a guest of ours: a listener of AF_VSOCK and the script that it runs. */

import type { FileTree } from './file-tree.ts';
import { readGuestFile } from './recipe.ts';
import { staticProgram } from './static-program.ts';

export const COMMAND_FILES = ['commands/listener.hex', 'commands/run'] as const;

/** @param folder where the guest has its programs */
export function addGuestCommands(tree: FileTree, folder: string): void {
  const [listener, run] = COMMAND_FILES.map(readGuestFile) as [string, string];
  const code = Buffer.from(listener.replaceAll('\n', ''), 'hex');
  tree.addFile(`${folder}/partout-listen`, staticProgram(code), { mode: 0o755 });
  tree.addFile(`${folder}/partout-command`, run, { mode: 0o755 });
}
