/** `partout image …`: guest images, built from Debian's packages and kept for the next time. */

import type { Image, ImageStore } from '../images/image-store.ts';
import type { Command, Invocation } from './command.ts';
import { STATUS } from './endings.ts';
import { JSON_OPTION, say, table, writeData } from './output.ts';
import { ProgressLine } from './progress-line.ts';

const NAME = { name: 'NAME', summary: 'an image of the list, or tiny or debian for the newest of its kind' };

const build: Command = {
  words: ['image', 'build'],
  summary: 'Build a guest image from Debian packages, as an ordinary user; one that is there is given at once',
  operands: [{ name: 'RECIPE', summary: 'tiny: a busybox; debian: a Debian user space', choices: ['tiny', 'debian'] }],
  options: [
    { name: 'suite', value: 'NAME', summary: "Debian suite such as bookworm or trixie; the host's own when absent" },
    { name: 'package', value: 'NAME', summary: 'one more package, for debian', repeatable: true },
    JSON_OPTION,
  ],
  run: runBuild,
};

const list: Command = {
  words: ['image', 'list'],
  summary: 'List the images that were built',
  operands: [],
  options: [JSON_OPTION],
  run: async (invocation) => {
    const images = await (await openStore()).list();
    const row = (image: Image): string[] =>
      [image.name, image.kernelVersion, image.suite, mebibytes(image), image.builtAt.toISOString()];
    await writeData(invocation, images, () => images.length === 0 ? '' : table(
      ['NAME', 'KERNEL', 'SUITE', 'SIZE', 'BUILT'], images.map(row),
    ));
    if (images.length === 0 && !invocation.has('json')) say("no image yet: 'partout image build tiny' makes one");
    return STATUS.done;
  },
};

const show: Command = {
  words: ['image', 'show'],
  summary: 'Show what an image is made of and where its files are',
  operands: [NAME],
  options: [JSON_OPTION],
  run: async (invocation) => {
    await writeImage(invocation, await (await openStore()).get(invocation.operands[0] ?? ''));
    return STATUS.done;
  },
};

const remove: Command = {
  words: ['image', 'remove'],
  summary: 'Remove an image from the disk',
  operands: [{ name: 'NAME', summary: 'the whole name of an image' }],
  options: [],
  run: async (invocation) => {
    await (await openStore()).remove(invocation.operands[0] ?? '');
    return STATUS.done;
  },
};

export const imageCommands: readonly Command[] = [build, list, show, remove];

async function openStore(): Promise<ImageStore> {
  const [images, { cacheDirectory }] =
    await Promise.all([import('../images/image-store.ts'), import('../kit/cache-directory.ts')]);
  return new images.ImageStore(cacheDirectory());
}

/** An interrupted build takes what it has begun away before it ends. */
async function runBuild(invocation: Invocation): Promise<number> {
  const { buildImage } = await import('../images/build-image.ts');
  const abort = new AbortController();
  let interrupted: number | undefined;
  const interrupt = (status: number) => (): void => {
    interrupted = status;
    abort.abort();
  };
  process.once('SIGINT', interrupt(STATUS.interrupted)).once('SIGTERM', interrupt(STATUS.terminated));
  const line = new ProgressLine(process.stderr);
  try {
    const image = await buildImage(invocation.operands[0] ?? '', {
      suite: invocation.value('suite'), packages: invocation.values('package'), signal: abort.signal,
    }, (step, fraction) => line.show(step, fraction));
    line.close();
    await writeImage(invocation, image);
    return STATUS.done;
  } catch (error) {
    if (interrupted !== undefined) return interrupted;
    throw error;
  } finally {
    line.close();
  }
}

async function writeImage(invocation: Invocation, image: Image): Promise<void> {
  await writeData(invocation, image, () => [
    `name          ${image.name}`,
    `kernel        ${image.kernel} (${image.kernelVersion})`,
    `initrd        ${image.initrd}`,
    `size          ${mebibytes(image)}`,
    `memory        at least ${image.minimumMemoryMiB}M`,
    `command line  ${image.commandLine}`,
    `packages      ${image.packages.length} of Debian ${image.suite}`,
  ].join('\n'));
}

function mebibytes(image: Image): string {
  return `${(image.sizeBytes / 2 ** 20).toFixed(1)} MiB`;
}
