/** An initramfs as a test needs it: unpacked on the host, or with files of the test's own added. */

import { appendFileSync, chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readCpio, writeCpio } from '../src/images/cpio.ts';
import { FileTree } from '../src/images/file-tree.ts';

/** Unpacks one as an ordinary user; devices become empty files. */
export function unpackInitramfs(initrd: string, folder: string): void {
  const tree = new FileTree();
  tree.unpack(readCpio(readFileSync(initrd)));
  for (const [path, node] of tree.entries()) {
    const place = join(folder, path);
    mkdirSync(dirname(place), { recursive: true });
    if (node.kind === 'directory') mkdirSync(place, { recursive: true });
    else if (node.kind === 'symlink') symlinkSync(node.target, place);
    else writeFileSync(place, node.kind === 'file' ? node.data : '');
    if (node.kind === 'file') chmodSync(place, node.mode);
  }
}

/** Copies one and adds executable files: the kernel unpacks archives that lie one behind the other. */
export function extendInitramfs(
  initrd: string, files: Readonly<Record<string, string | Uint8Array>>, result: string,
): void {
  const tree = new FileTree();
  for (const [path, data] of Object.entries(files)) tree.addFile(path, data, { mode: 0o755 });
  copyFileSync(initrd, result);
  for (const piece of writeCpio(tree)) appendFileSync(result, piece);
}
