/**
 * A program out of a large initramfs or a package, with what it needs to run, for a small one: its interpreter and the
 * shared libraries that it names, and those that they name [System V ABI 4.1, chapter 5].
 */

import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Apt } from '../src/images/apt.ts';
import { readCpio } from '../src/images/cpio.ts';
import { readDeb } from '../src/images/deb.ts';
import { FileTree } from '../src/images/file-tree.ts';
import { cacheDirectory } from '../src/kit/cache-directory.ts';

const LIBRARY_FOLDERS = [
  'lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu', 'lib64', 'usr/lib', 'lib', 'usr/lib/x86_64-linux-gnu/ceph',
];
const INTERPRETER = 'lib64/ld-linux-x86-64.so.2';
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

/** Files by the path at which they are to be. */
export function programFiles(initrd: string, programs: readonly string[]): Record<string, Uint8Array> {
  const tree = new FileTree();
  tree.unpack(readCpio(readFileSync(initrd)));
  return programsIn(tree, programs, initrd);
}

/** Programs of a Debian package, which is fetched with what it needs, for the tiny image. */
export async function packagedPrograms(name: string, programs: readonly string[]): Promise<Record<string, Uint8Array>> {
  const apt = await Apt.open({ directory: join(cacheDirectory(), 'apt-of-tests') });
  await apt.update();
  const tree = new FileTree();
  const resolved = await apt.resolve([name]);
  for (const path of await apt.download(resolved)) {
    tree.unpack((await readDeb(readFileSync(path), path)).files());
  }
  const files = programsIn(tree, programs, name);
  // In the tiny image all programs are in /bin, and the other folders lead there.
  return Object.fromEntries(
    Object.entries(files).map(([path, data]) => [path.replace(/^(?:usr\/)?s?bin\//, 'bin/'), data]));
}

function programsIn(tree: FileTree, programs: readonly string[], source: string): Record<string, Uint8Array> {
  const nodes = new Map([...tree.entries()].map(([path, node]) => [path.replace(/^\//, ''), node]));
  const dataOf = (path: string, depth = 0): Uint8Array | undefined => {
    const node = nodes.get(path) ?? nodes.get(path.replace(/^(lib|lib64|bin|sbin)\//, 'usr/$1/'));
    if (node === undefined || depth > 8) return undefined;
    if (node.kind === 'file') return node.data;
    if (node.kind !== 'symlink') return undefined;
    return dataOf(posix.resolve('/', posix.dirname(path), node.target).slice(1), depth + 1);
  };
  const files: Record<string, Uint8Array> = {};
  const add = (path: string, data: Uint8Array): void => {
    if (files[path] !== undefined) return;
    files[path] = data;
    for (const name of neededBy(data)) {
      const found = LIBRARY_FOLDERS.map((folder) => dataOf(`${folder}/${name}`)).find((each) => each !== undefined);
      if (found === undefined) throw new Error(`${path} needs ${name}, which is not there`);
      add(`lib/x86_64-linux-gnu/${name}`, found);
    }
  };
  for (const path of [INTERPRETER, ...programs]) {
    const data = dataOf(path);
    if (data === undefined) throw new Error(`${path} is not in ${source}`);
    add(path, data);
  }
  return files;
}

/** The libraries that an ELF file of 64 bits names. */
function neededBy(data: Uint8Array): string[] {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const word = (at: number): number => Number(view.getBigUint64(at, true));
  const [start, size, count] = [word(32), view.getUint16(54, true), view.getUint16(56, true)];
  const headers = Array.from({ length: count }, (_, index) => start + index * size);
  const loads = headers.filter((at) => view.getUint32(at, true) === PT_LOAD);
  const dynamic = headers.find((at) => view.getUint32(at, true) === PT_DYNAMIC);
  if (dynamic === undefined) return [];
  const names: number[] = [];
  let strings = 0;
  for (let at = word(dynamic + 8); at < word(dynamic + 8) + word(dynamic + 32); at += 16) {
    if (word(at) === DT_NEEDED) names.push(word(at + 8));
    if (word(at) === DT_STRTAB) strings = word(at + 8);
  }
  const load = loads.find((at) => strings >= word(at + 16) && strings < word(at + 16) + word(at + 32)) ?? 0;
  const base = strings - word(load + 16) + word(load + 8);
  return names.map((name) => {
    const end = data.indexOf(0, base + name);
    return Buffer.from(data.subarray(base + name, end)).toString('latin1');
  });
}
