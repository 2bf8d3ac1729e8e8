/**
 * A guest's file system in memory, from which an image is packed. Archives are unpacked into it, not onto the host's
 * disk, so owners, modes and device nodes need no privilege, and nothing in an archive can reach a file of the host.
 *
 * Paths go through the tree's own symbolic links, as on a system with merged /usr: `lib/x` of a package lands in
 * `usr/lib/x` where `lib` is a link to `usr/lib`.
 */

import type { ArchiveEntry } from './archive-entry.ts';
import { badArchive } from './bad-archive.ts';

const MAX_SYMLINKS = 40;

interface NodeBase {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modifiedSeconds: number;
}

export type FileNode =
  | (NodeBase & { readonly kind: 'file'; readonly data: Uint8Array })
  | (NodeBase & { readonly kind: 'directory' | 'fifo' })
  | (NodeBase & { readonly kind: 'symlink'; readonly target: string })
  | (NodeBase & { readonly kind: 'character' | 'block'; readonly major: number; readonly minor: number });

export interface AddOptions {
  readonly mode?: number;
  readonly gid?: number;
}

export class FileTree {
  /** By path without a leading slash and without links in its parents; a hard link is a second path of one node. */
  readonly #nodes = new Map<string, FileNode>();

  addDirectory(path: string, options: AddOptions = {}): void {
    this.add(path, { kind: 'directory', ...ownedByRoot(0o755, options) });
  }

  addFile(path: string, content: string | Uint8Array, options: AddOptions = {}): void {
    const data = typeof content === 'string' ? Buffer.from(content) : content;
    this.add(path, { kind: 'file', data, ...ownedByRoot(0o644, options) });
  }

  addSymlink(path: string, target: string): void {
    this.add(path, { kind: 'symlink', target, ...ownedByRoot(0o777, {}) });
  }

  addDevice(path: string, kind: 'character' | 'block', major: number, minor: number, options: AddOptions = {}): void {
    this.add(path, { kind, major, minor, ...ownedByRoot(0o600, options) });
  }

  /** Puts a node at a path, making its parent directories. A directory never replaces what leads to one already. */
  add(path: string, node: FileNode): void {
    const parts = partsOf(path);
    const name = parts.pop();
    if (name === undefined) return;
    const parent = this.#resolve(parts, true)!;
    const place = parent === '' ? name : `${parent}/${name}`;
    const present = this.#nodes.get(place);
    if (present?.kind === 'directory' && node.kind !== 'directory') {
      throw badArchive(`the directory "/${place}" cannot be replaced by a ${node.kind}`);
    }
    if (present !== undefined && node.kind === 'directory') {
      if (this.get(place)?.kind === 'directory') return;
      throw badArchive(`the ${present.kind} "/${place}" cannot be replaced by a directory`);
    }
    this.#nodes.set(place, node);
  }

  /** What a path leads to, links followed; undefined where there is nothing. */
  get(path: string): FileNode | undefined {
    const place = this.#resolve(partsOf(path), false);
    return place === undefined ? undefined : this.#nodes.get(place);
  }

  /** The content of a file, as text. */
  readText(path: string): string | undefined {
    const node = this.get(path);
    return node?.kind === 'file' ? Buffer.from(node.data).toString('utf8') : undefined;
  }

  /** Adds what an archive holds, but for the paths (without leading `./` or `/`) that `isWanted` refuses. */
  unpack(entries: Iterable<ArchiveEntry>, isWanted: (path: string) => boolean = () => true): void {
    for (const entry of entries) {
      const path = partsOf(entry.path).join('/');
      if (path === '' || !isWanted(path)) continue;
      const node = this.#nodeOf(entry);
      if (node !== undefined) this.add(path, node);
    }
  }

  /** Every path with its node, sorted so that a directory comes before what it holds. */
  entries(): [path: string, node: FileNode][] {
    return [...this.#nodes].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #nodeOf(entry: ArchiveEntry): FileNode | undefined {
    const { kind, mode, uid, gid, modifiedSeconds } = entry;
    const base = { mode, uid, gid, modifiedSeconds };
    switch (kind) {
      case 'file':
        return { ...base, kind, data: entry.data };
      case 'directory':
      case 'fifo':
        return { ...base, kind };
      case 'symlink':
        return { ...base, kind, target: entry.target };
      case 'character':
      case 'block':
        return { ...base, kind, major: entry.major, minor: entry.minor };
      case 'hardlink': {
        const original = this.get(entry.target);
        if (original?.kind === 'file') return original;
        throw badArchive(`the archive links "${entry.path}" to "${entry.target}", which is no file in it`);
      }
    }
  }

  /** The path without links that some parts lead to, '' for the root; undefined where there is nothing. */
  #resolve(parts: readonly string[], makeDirectories: boolean): string | undefined {
    const pending = [...parts].reverse();
    let place = '';
    let symlinks = 0;
    while (pending.length > 0) {
      const part = pending.pop()!;
      if (part === '..') {
        place = place.includes('/') ? place.slice(0, place.lastIndexOf('/')) : '';
        continue;
      }
      const next = place === '' ? part : `${place}/${part}`;
      const node = this.#nodes.get(next);
      if (node?.kind === 'symlink') {
        if (++symlinks > MAX_SYMLINKS) throw badArchive(`the symbolic links at "/${next}" go in a circle`);
        if (node.target.startsWith('/')) place = '';
        pending.push(...node.target.split('/').filter((each) => each !== '' && each !== '.').reverse());
        continue;
      }
      if (node === undefined) {
        if (!makeDirectories) return undefined;
        this.#nodes.set(next, { kind: 'directory', ...ownedByRoot(0o755, {}) });
      } else if (makeDirectories && node.kind !== 'directory') {
        throw badArchive(`the ${node.kind} "/${next}" stands where a directory is needed`);
      } else if (pending.length > 0 && node.kind !== 'directory') {
        return undefined;
      }
      place = next;
    }
    return place;
  }
}

function ownedByRoot(mode: number, options: AddOptions): NodeBase {
  return { mode: options.mode ?? mode, uid: 0, gid: options.gid ?? 0, modifiedSeconds: 0 };
}

/** The parts of a path below the root. A path that climbs out of its root is refused, whatever it would lead to. */
function partsOf(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..') || path.includes('\0')) {
    throw badArchive(`the path ${JSON.stringify(path.slice(0, 200))} leaves the tree that it belongs to`);
  }
  return parts;
}
