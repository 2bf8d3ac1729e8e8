/** Modules of a Debian kernel package that an image of ours leaves out, for a test's own initramfs. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Apt } from '../src/images/apt.ts';
import { readDeb } from '../src/images/deb.ts';
import { openKernel } from '../src/images/initramfs-image.ts';
import { cacheDirectory } from '../src/kit/cache-directory.ts';
import type { GuestImage } from './guest.ts';

/** Files by the path at which they are to be, with what they need, in the order in which they can be loaded. */
export async function kernelModules(image: GuestImage, names: readonly string[]): Promise<Record<string, Uint8Array>> {
  const kernel = `linux-image-${image.kernelVersion}`;
  const apt = await Apt.open({ directory: join(cacheDirectory(), 'apt-of-tests'), suite: image.suite });
  await apt.update();
  const found = (await apt.resolve([kernel])).filter(({ name }) => name === kernel);
  const [path] = await apt.download(found);
  const { modules } = openKernel(await readDeb(readFileSync(path!), kernel));
  const ordered = await modules.inLoadingOrder(names);
  return Object.fromEntries(ordered.map(({ name, data }) => [`modules/${name}.ko`, data]));
}
