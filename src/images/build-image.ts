/**
 * Builds a guest image: packages from the host's Debian archive, put together by a recipe, the result in the image
 * store. An image that is there already, of the same package versions, is given at once.
 */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { cacheDirectory } from '../kit/cache-directory.ts';
import { Disposables } from '../kit/disposables.ts';
import { OperatingError } from '../kit/errors.ts';
import { acquireProcessLock } from '../kit/process-lock.ts';
import { Apt, type Progress } from './apt.ts';
import { DEFAULT_DISK_BYTES, MINIMUM_DISK_BYTES, buildDebianDisk } from './debian-disk.ts';
import { debianInitramfsRecipe } from './debian-initramfs.ts';
import type { RunGuest } from './guest-run.ts';
import { type Image, ImageStore } from './image-store.ts';
import { buildInitramfs } from './initramfs-image.ts';
import type { Recipe } from './recipe.ts';
import { tinyRecipe } from './tiny.ts';

const INITRAMFS_RECIPES: readonly Recipe[] = [tinyRecipe, debianInitramfsRecipe];
/** What is installed on a disk, by a guest of ours. */
const DISK_RECIPE = 'debian';

export interface BuildImageOptions {
  /** A Debian suite by its codename, such as trixie; the host's own when it is not given. */
  readonly suite?: string | undefined;
  /** More packages, for the recipes that take them. */
  readonly packages?: readonly string[] | undefined;
  /** Of the disk, for the recipe that makes one. */
  readonly sizeBytes?: number | undefined;
  /** What runs the guest that installs a disk; needed for that recipe. */
  readonly runGuest?: RunGuest | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Where images and package lists are kept; `cacheDirectory()` when it is not given. */
  readonly directory?: string | undefined;
}

/**
 * Builds an image, or gives the one that is there.
 * @example const { kernel, initrd, commandLine } = await buildImage('tiny', {}, (step) => console.error(step));
 */
export async function buildImage(
  recipeName: string, options: BuildImageOptions = {}, progress: Progress = () => {},
): Promise<Image> {
  const recipe = INITRAMFS_RECIPES.find(({ name }) => name === recipeName);
  checkOptions(recipeName, recipe, options);
  const directory = options.directory ?? cacheDirectory();
  const lockName = `apt-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`;
  await using owned = new Disposables();
  const lock = owned.use(await acquireProcessLock(lockName));
  const { suite, signal } = options;
  const apt = await Apt.open({ directory: join(directory, 'apt'), suite, progress, signal });
  await apt.update();
  const store = new ImageStore(directory);
  const site = { apt, store, progress, signal, releaseApt: () => lock[Symbol.asyncDispose]() };
  if (recipe !== undefined) return await buildInitramfs(recipe, site, options);
  if (options.runGuest === undefined) {
    throw new OperatingError('unsupported', 'a disk is installed by a guest, and nothing was given that runs one');
  }
  const { runGuest, packages = [], sizeBytes = DEFAULT_DISK_BYTES } = options;
  return await buildDebianDisk(site, { runGuest, packages, sizeBytes });
}

function checkOptions(recipeName: string, recipe: Recipe | undefined, options: BuildImageOptions): void {
  if (recipe === undefined && recipeName !== DISK_RECIPE) {
    const names = [...INITRAMFS_RECIPES.map(({ name }) => name), DISK_RECIPE].join(', ');
    throw new OperatingError('usage', `there is no recipe for an image "${recipeName}": there are ${names}`);
  }
  if (recipe?.takesPackages === false && (options.packages ?? []).length > 0) {
    throw new OperatingError('usage', `the ${recipe.name} image takes no more packages: the debian image does`);
  }
  if (recipe !== undefined && options.sizeBytes !== undefined) {
    throw new OperatingError('usage', `the ${recipe.name} image is no disk, and has no size: the debian image has`);
  }
  if (options.sizeBytes !== undefined && options.sizeBytes < MINIMUM_DISK_BYTES) {
    throw new OperatingError('usage', `Debian needs a disk of ${MINIMUM_DISK_BYTES / 2 ** 30} GiB and more`);
  }
}
