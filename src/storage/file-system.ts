/** File systems that are read: the port that each format has, and the paths in them. */

import type { OperatingError } from '../kit/errors.ts';

export type NodeKind = 'file' | 'folder' | 'symlink' | 'other';

/** A file or folder of a file system, as its format knows it. */
export interface FileNode {
  readonly kind: NodeKind;
  readonly sizeBytes: number;
}

/**
 * What a format brings. Every method throws an OperatingError when the file system is damaged, and takes time and
 * memory in proportion to what it gives, whatever the structures say.
 */
export interface FileSystemFormat<Node extends FileNode = FileNode> {
  readonly kind: 'ext4' | 'xfs' | 'fat' | 'iso9660';
  /** In the form in which a boot loader's configuration or a kernel's command line names it. */
  readonly uuid: string;
  readonly label: string;
  readonly root: Node;
  /** The entry of a folder by its name. */
  find(folder: Node, name: string): Node | undefined;
  /** The names in a folder, without those of itself and its parent. */
  names(folder: Node): string[];
  /** The first bytes of a file or link: all of it when `lengthBytes` is its size. */
  read(node: Node, lengthBytes: number): Uint8Array;
}

/** An entry of a folder in a format with inodes: its name as bytes. */
export interface FolderEntry {
  readonly inode: number;
  readonly bytes: Uint8Array;
}

/** The inode of the entry with that name. */
export function inodeNamed(entries: Iterable<FolderEntry>, name: string): number | undefined {
  const wanted = Buffer.from(name, 'utf8');
  for (const { inode, bytes } of entries) {
    if (wanted.equals(bytes)) return inode;
  }
  return undefined;
}

/** The names of entries, without those of the folder itself and its parent. */
export function namesOf(entries: Iterable<FolderEntry>): string[] {
  return [...entries].map(({ bytes }) => Buffer.from(bytes).toString('utf8'))
    .filter((name) => name !== '.' && name !== '..');
}

const SYMLINKS_MAX = 40;
const LINK_BYTES_MAX = 4096;
const DEPTH_MAX = 256;

/** A file system with paths: symbolic links are followed, and nothing leads out of it. */
export class FileSystem {
  readonly #format: FileSystemFormat;
  readonly #damaged: (what: string) => OperatingError;

  constructor(format: FileSystemFormat, damaged: (what: string) => OperatingError) {
    this.#format = format;
    this.#damaged = damaged;
  }

  get kind(): FileSystemFormat['kind'] {
    return this.#format.kind;
  }

  get uuid(): string {
    return this.#format.uuid;
  }

  get label(): string {
    return this.#format.label;
  }

  /** What a path leads to. */
  kindOf(path: string): NodeKind | undefined {
    return this.#resolve(path)?.kind;
  }

  /** The names in a folder, sorted; none where there is no folder. */
  list(path: string): string[] {
    const node = this.#resolve(path);
    return node?.kind === 'folder' ? this.#format.names(node).sort() : [];
  }

  /** @throws OperatingError when the file is larger than the caller wants it to be. */
  readFile(path: string, maxBytes: number): Uint8Array | undefined {
    const node = this.#resolve(path);
    if (node?.kind !== 'file') return undefined;
    if (node.sizeBytes > maxBytes) {
      throw this.#damaged(`its file ${path} has ${node.sizeBytes} bytes, and no more than ${maxBytes} are read`);
    }
    return this.#format.read(node, node.sizeBytes);
  }

  readText(path: string, maxBytes: number): string | undefined {
    const data = this.readFile(path, maxBytes);
    return data === undefined ? undefined : Buffer.from(data).toString('utf8');
  }

  #resolve(path: string): FileNode | undefined {
    const pending = partsOf(path).reverse();
    const trail: FileNode[] = [this.#format.root];
    let symlinks = 0;
    while (pending.length > 0) {
      const part = pending.pop()!;
      const here = trail.at(-1)!;
      if (part === '..') {
        if (trail.length > 1) trail.pop();
        continue;
      }
      if (here.kind !== 'folder') return undefined;
      const node = this.#format.find(here, part);
      if (node === undefined) return undefined;
      if (node.kind !== 'symlink') {
        if (trail.push(node) > DEPTH_MAX) return undefined;
        continue;
      }
      if (++symlinks > SYMLINKS_MAX || node.sizeBytes > LINK_BYTES_MAX) return undefined;
      const target = Buffer.from(this.#format.read(node, node.sizeBytes)).toString('utf8');
      if (target.startsWith('/')) trail.length = 1;
      pending.push(...partsOf(target).reverse());
    }
    return trail.at(-1);
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
