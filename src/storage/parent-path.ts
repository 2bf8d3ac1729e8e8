/**
 * Parents' paths, between this host and the formats, which write them as Windows does. A relative path has backslashes
 * between folders in the file. An absolute one is kept as this host has it; one with a drive letter or a volume is of
 * another host, and cannot be followed here.
 */

import { dirname, isAbsolute, join, relative, resolve } from 'node:path';

export interface ParentPaths {
  /** With backslashes, beginning with `.\` or `..\`. */
  readonly relativePath: string;
  readonly absolutePath: string;
}

export function parentPathsFor(childPath: string, parentPath: string): ParentPaths {
  const path = relative(dirname(resolve(childPath)), resolve(parentPath)).replaceAll('/', '\\');
  return { relativePath: path.startsWith('..') ? path : `.\\${path}`, absolutePath: resolve(parentPath) };
}

/** Where a path from an image leads, or undefined when that is nowhere on this host. */
export function hostPathOf(childPath: string, path: string): string | undefined {
  if (path === '' || path.includes('\0') || path.startsWith('\\\\') || /^[A-Za-z]:/.test(path)) return undefined;
  const local = path.replaceAll('\\', '/').replace(/^file:\/\/(localhost)?/, '');
  return isAbsolute(local) ? local : join(dirname(resolve(childPath)), local);
}
