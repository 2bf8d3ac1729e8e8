/**
 * The images that have been built, one folder each: `image.json`, `vmlinuz`, `initrd`, and `disk.vhdx` where the system
 * is on a disk. A folder is made beside its place and renamed when it is whole, so a reader never sees half an image,
 * and of two builds the first wins.
 *
 *     <cache directory>/images/tiny-6.1.0-44-cloud-amd64-3f2a9c01d4/{image.json,vmlinuz,initrd}
 */

import { randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatingError } from '../kit/errors.ts';

const FORMAT = 1;
const BUILDING_PREFIX = '.building-';
const IMAGE_NAME = /^[a-z0-9][A-Za-z0-9.+_-]{0,150}$/;
/** A folder that an interrupted build left is removed by a later one when it is older than any build takes. */
const ABANDONED_AFTER_MS = 24 * 3600 * 1000;

/** What is kept about an image in its `image.json`. */
export interface ImageDescription {
  readonly recipe: string;
  readonly suite: string;
  readonly kernelVersion: string;
  /** What the guest wants on its kernel command line, to be followed by what the user adds. */
  readonly commandLine: string;
  /** The memory that a guest of this image needs at least, in MiB. */
  readonly minimumMemoryMiB: number;
  /** `name=version` of every package in it. */
  readonly packages: readonly string[];
}

export interface Image extends ImageDescription {
  readonly name: string;
  readonly directory: string;
  /** Paths of the kernel and of the initramfs. */
  readonly kernel: string;
  readonly initrd: string;
  /** A disk that is never written to: a guest gets a copy or a child of it. */
  readonly disk?: string;
  readonly sizeBytes: number;
  readonly builtAt: Date;
}

export class ImageStore {
  readonly #directory: string;

  /** @param cacheDirectory as `cacheDirectory()` gives it. */
  constructor(cacheDirectory: string) {
    this.#directory = join(cacheDirectory, 'images');
  }

  /** The images, newest first. */
  async list(): Promise<Image[]> {
    const names = await readdir(this.#directory).catch(() => []);
    const images = await Promise.all(names.filter((name) => IMAGE_NAME.test(name)).map((name) => this.#read(name)));
    return images.filter((image) => image !== undefined)
      .sort((a, b) => b.builtAt.getTime() - a.builtAt.getTime() || (a.name < b.name ? -1 : 1));
  }

  /** An image by its name, or the newest of a recipe (of a suite). */
  async find(nameOrRecipe: string, suite?: string): Promise<Image | undefined> {
    const images = (await this.list()).filter((image) => suite === undefined || image.suite === suite);
    return images.find(({ name }) => name === nameOrRecipe) ?? images.find(({ recipe }) => recipe === nameOrRecipe);
  }

  /** As `find`, but an image that is not there is an error. */
  async get(nameOrRecipe: string, suite?: string): Promise<Image> {
    const image = await this.find(nameOrRecipe, suite);
    if (image !== undefined) return image;
    const built = (await this.list()).map(({ name }) => name).join(', ');
    throw new OperatingError('not-found', `there is no image "${nameOrRecipe}": ${
      built === '' ? "build one with 'partout image build tiny'" : `there are ${built}`}`);
  }

  /** Removes one image by its whole name. */
  async remove(name: string): Promise<void> {
    const image = (await this.list()).find((each) => each.name === name);
    if (image === undefined) {
      throw new OperatingError('not-found', `there is no image "${name}": 'partout image list' shows those there are`);
    }
    await rm(image.directory, { recursive: true, force: true });
  }

  /** Adds an image whose files `fill` writes into a folder; gives the one that is there if it is. */
  async add(
    name: string, description: ImageDescription, fill: (folder: string) => Promise<void>,
  ): Promise<Image> {
    const present = await this.#read(name);
    if (present !== undefined) return present;
    await mkdir(this.#directory, { recursive: true });
    await this.#removeAbandoned();
    const building = join(this.#directory, `${BUILDING_PREFIX}${randomBytes(8).toString('hex')}`);
    try {
      await mkdir(building);
      await fill(building);
      await writeFile(join(building, 'image.json'), `${JSON.stringify({ format: FORMAT, ...description }, null, 2)}\n`);
      await this.#publish(building, name);
    } finally {
      await rm(building, { recursive: true, force: true });
    }
    const image = await this.#read(name);
    if (image === undefined) throw new OperatingError('internal', `the image ${name} cannot be read back`);
    return image;
  }

  /** Another process may have published the same image meanwhile: that one stays. A broken one is replaced. */
  async #publish(building: string, name: string): Promise<void> {
    const place = join(this.#directory, name);
    try {
      await rename(building, place);
    } catch (error) {
      if (await this.#read(name) !== undefined) return;
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
      await rm(place, { recursive: true, force: true });
      await rename(building, place);
    }
  }

  async #removeAbandoned(): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      if (!name.startsWith(BUILDING_PREFIX)) continue;
      const folder = join(this.#directory, name);
      const status = await stat(folder).catch(() => undefined);
      const isAbandoned = status !== undefined && Date.now() - status.mtimeMs > ABANDONED_AFTER_MS;
      if (isAbandoned) await rm(folder, { recursive: true, force: true });
    }
  }

  async #read(name: string): Promise<Image | undefined> {
    const directory = join(this.#directory, name);
    const [kernel, initrd] = [join(directory, 'vmlinuz'), join(directory, 'initrd')];
    try {
      const { format, ...description } =
        JSON.parse(await readFile(join(directory, 'image.json'), 'utf8')) as ImageDescription & { format: number };
      if (format !== FORMAT) return undefined;
      const [kernelStatus, initrdStatus] = await Promise.all([stat(kernel), stat(initrd)]);
      const disk = join(directory, 'disk.vhdx');
      const diskStatus = await stat(disk).catch(() => undefined);
      const sizeBytes = kernelStatus.size + initrdStatus.size + (diskStatus?.size ?? 0);
      return {
        ...description, name, directory, kernel, initrd, ...(diskStatus && { disk }), sizeBytes,
        builtAt: initrdStatus.mtime,
      };
    } catch {
      return undefined;
    }
  }
}
