/**
 * An image that is all in memory: kernel and initramfs. The packages' files are put together by a recipe on the host,
 * the result is an uncompressed cpio: a guest without hardware virtualisation copies faster than it decompresses.
 */

import { createHash } from 'node:crypto';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatingError, systemError } from '../kit/errors.ts';
import type { Apt, PackageVersion, Progress } from './apt.ts';
import { badArchive } from './bad-archive.ts';
import { writeCpio } from './cpio.ts';
import { type DebianPackage, readDeb } from './deb.ts';
import { FileTree } from './file-tree.ts';
import type { Image, ImageStore } from './image-store.ts';
import { KernelModules } from './kernel-modules.ts';
import { type Recipe, type RecipeOptions, readGuestFile } from './recipe.ts';

export const KERNEL_META_PACKAGE = 'linux-image-cloud-amd64';
const KERNEL_PACKAGE = /\blinux-image-\d[a-z0-9.+-]*-cloud-amd64\b/;
const WRITE_BYTES = 8 * 2 ** 20;
/** What the kernel and a few processes need beside the files. */
const GUEST_OVERHEAD_MIB = 112;
const GUEST_PAGE_BYTES = 4096;
/** The kernel's own memory for a file: inode, directory entry, page cache node. */
const GUEST_INODE_BYTES = 1536;

/** What every build works with. */
export interface BuildSite {
  readonly apt: Apt;
  readonly store: ImageStore;
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
  /** Nothing more is wanted of apt and of what it fetched: others need not wait for the rest of the build. */
  releaseApt(): PromiseLike<void>;
}

export async function buildInitramfs(recipe: Recipe, site: BuildSite, options: RecipeOptions): Promise<Image> {
  const { apt, store, progress, signal } = site;
  const packages = [...await recipe.choose(apt, options), await chooseKernel(apt)];
  const name = imageName(recipe, packages);
  const present = await store.find(name);
  if (present !== undefined) return present;
  const opened = await openPackages(await apt.download(packages), progress, signal);
  const { kernel, modules } = openKernel(opened.pop()!);
  progress(`putting the ${recipe.name} image together`);
  const tree = await recipe.assemble(opened, modules);
  const initrd = [...writeCpio(tree)];
  const description = {
    recipe: recipe.name,
    suite: apt.suite,
    kernelVersion: modules.kernelVersion,
    commandLine: recipe.commandLine,
    minimumMemoryMiB: minimumMemoryMiB(tree, initrd),
    packages: packages.map(({ name: packageName, version }) => `${packageName}=${version}`),
  };
  try {
    return await store.add(name, description, async (folder) => {
      await writeFile(join(folder, 'vmlinuz'), kernel);
      await writePieces(join(folder, 'initrd'), initrd);
    });
  } catch (error) {
    throw systemError(`write the image ${name}`, error);
  }
}

/** The newest cloud kernel of the suite: what the meta-package depends on. */
async function chooseKernel(apt: Apt): Promise<PackageVersion> {
  const [meta] = await apt.show([KERNEL_META_PACKAGE]);
  const name = KERNEL_PACKAGE.exec(meta!.get('depends') ?? '')?.[0];
  if (name === undefined) throw badArchive(`the package ${KERNEL_META_PACKAGE} of ${apt.suite} names no kernel`);
  const [kernel] = await apt.show([name]);
  return { name, version: kernel!.get('version')! };
}

/** Recipe, kernel and a digest of everything that decides what is in the image. */
function imageName(recipe: Recipe, packages: readonly PackageVersion[]): string {
  const kernel = packages.at(-1)!.name.replace(/^linux-image-/, '');
  const inputs = [recipe.revision, packages, recipe.commandLine, recipe.guestFiles.map(readGuestFile)];
  const digest = createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
  return `${recipe.name}-${kernel}-${digest.slice(0, 10)}`;
}

export async function openPackages(
  files: readonly string[], progress: Progress, signal: AbortSignal | undefined,
): Promise<DebianPackage[]> {
  const packages: DebianPackage[] = [];
  for (const [index, file] of files.entries()) {
    if (signal?.aborted === true) throw new OperatingError('host', 'the build was interrupted');
    progress('unpacking', index / files.length);
    packages.push(await readDeb(await readFile(file), file.slice(file.lastIndexOf('/') + 1)));
  }
  return packages;
}

export function openKernel(kernelPackage: DebianPackage): { kernel: Uint8Array; modules: KernelModules } {
  const tree = new FileTree();
  tree.unpack(kernelPackage.files(), (path) => /(^|\/)(boot|lib\/modules)\//.test(path));
  const [, kernel] = tree.entries().find(([path]) => path.startsWith('boot/vmlinuz-')) ?? [];
  if (kernel?.kind !== 'file') throw badArchive('the kernel package holds no /boot/vmlinuz');
  return { kernel: kernel.data, modules: new KernelModules(tree) };
}

/** The guest holds the initramfs as it is loaded and, until that is freed, the files unpacked from it. */
export function minimumMemoryMiB(tree: FileTree, initrd: readonly Uint8Array[]): number {
  let bytes = initrd.reduce((sum, piece) => sum + piece.length, 0);
  for (const [, node] of tree.entries()) {
    const pages = node.kind === 'file' ? Math.ceil(node.data.length / GUEST_PAGE_BYTES) : 0;
    bytes += GUEST_INODE_BYTES + pages * GUEST_PAGE_BYTES;
  }
  return Math.ceil((bytes / 2 ** 20) * 1.02) + GUEST_OVERHEAD_MIB;
}

/** Small pieces are gathered first: an archive has tens of thousands of them. */
export async function writePieces(path: string, pieces: readonly Uint8Array[]): Promise<void> {
  await using file = await open(path, 'wx');
  let gathered: Uint8Array[] = [];
  let gatheredBytes = 0;
  const flush = async (): Promise<void> => {
    if (gatheredBytes > 0) await file.writeFile(Buffer.concat(gathered, gatheredBytes));
    gathered = [];
    gatheredBytes = 0;
  };
  for (const piece of pieces) {
    gathered.push(piece);
    gatheredBytes += piece.length;
    if (gatheredBytes >= WRITE_BYTES) await flush();
  }
  await flush();
}
