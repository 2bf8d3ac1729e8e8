/** kexec and its libraries out of a Debian image, for a tiny guest that is to load another kernel. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readCpio } from '../../src/images/cpio.ts';
import { FileTree } from '../../src/images/file-tree.ts';
import { guestImage } from '../guest.ts';

const LINKER = 'ld-linux-x86-64.so.2';
const LIBRARY = /^(?:ld-linux-x86-64\.so\.2|lib(?:c|dl|lzma|z|zstd|xen\w+)\.so\.[\d.]+)$/;

/** A shell function that runs it there. */
export const KEXEC_IN_GUEST = `kexec() { /kexec/${LINKER} --library-path /kexec /kexec/kexec "$@"; }`;

/** The files, all in /kexec. */
export function kexecFiles(): Record<string, Uint8Array> {
  const tree = new FileTree();
  tree.unpack(readCpio(readFileSync(guestImage('debian-initramfs', undefined, ['kexec-tools']).initrd)));
  const files: Record<string, Uint8Array> = {};
  const nodes = new Map(tree.entries());
  for (const [path, node] of nodes) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (!path.endsWith('sbin/kexec') && !LIBRARY.test(name)) continue;
    const target = node.kind === 'symlink' ? node.target.slice(node.target.lastIndexOf('/') + 1) : name;
    const end = name === 'kexec' ? 'sbin/kexec' : `/${target}`;
    const found = [...nodes].find(([each, { kind }]) => kind === 'file' && each.endsWith(end))?.[1];
    if (found?.kind === 'file') files[`kexec/${name}`] = found.data;
  }
  for (const name of ['kexec', LINKER]) assert.ok(files[`kexec/${name}`] !== undefined, `${name} is missing`);
  return files;
}
