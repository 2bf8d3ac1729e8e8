/**
 * What a guest image is made of. A recipe names packages and puts their files together; fetching, caching and packing
 * are the same for all (`build-image.ts`). The parts of a guest that are ours are files in `guests/`, not text in here.
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Apt, PackageVersion } from './apt.ts';
import type { DebianPackage } from './deb.ts';
import type { FileTree } from './file-tree.ts';
import type { KernelModules } from './kernel-modules.ts';

export interface RecipeOptions {
  /** More packages by name; only for recipes that take them. */
  readonly packages?: readonly string[] | undefined;
}

export interface Recipe {
  readonly name: string;
  /** Changes when the recipe puts the same packages together differently. */
  readonly revision: number;
  /** The files of `guests/` that go into it. */
  readonly guestFiles: readonly string[];
  readonly takesPackages: boolean;
  readonly commandLine: string;
  /** Packages of the user space, in the order in which they are unpacked. */
  choose(apt: Apt, options: RecipeOptions): Promise<PackageVersion[]>;
  /** The file system of the guest. */
  assemble(packages: readonly DebianPackage[], modules: KernelModules): Promise<FileTree>;
}

/** Where a file or folder of `guests/` is, which lies beside `dist/` in the package. */
export function guestFilesPath(path: string): string {
  return fileURLToPath(new URL(`../../../guests/${path}`, import.meta.url));
}

export function readGuestFile(path: string): string {
  return readFileSync(guestFilesPath(path), 'utf8');
}

/** The lines of such a file that say something. */
export function readGuestList(path: string): string[] {
  return readGuestFile(path).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/** Puts the Hyper-V drivers into a tree; gives their paths in the order in which they are to be loaded. */
export async function addHyperVModules(tree: FileTree, modules: KernelModules): Promise<string[]> {
  const ordered = await modules.inLoadingOrder(readGuestList('hyperv-modules'));
  return ordered.map(({ name, data }) => {
    const path = `/lib/modules/${modules.kernelVersion}/kernel/${name}.ko`;
    tree.addFile(path, data);
    return path;
  });
}
