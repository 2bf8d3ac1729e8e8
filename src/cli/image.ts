/** `partout image …`: guest images, built from Debian's packages and kept for the next time. */

import { constants, existsSync } from 'node:fs';
import { chmod, copyFile } from 'node:fs/promises';
import type { Image, ImageStore } from '../images/image-store.ts';
import { OperatingError, systemError } from '../kit/errors.ts';
import type { Command, Invocation } from './command.ts';
import { STATUS } from './endings.ts';
import { seedCommand } from './image-seed.ts';
import { JSON_OPTION, say, table, writeData } from './output.ts';
import { ProgressLine } from './progress-line.ts';
import { parseSize } from '../kit/size.ts';

const NAME = { name: 'NAME', summary: 'an image of the list, or tiny or debian for the newest of its kind' };

const build: Command = {
  words: ['image', 'build'],
  summary: 'Build a guest image from Debian packages, as an ordinary user; one that is there is given at once',
  operands: [{
    name: 'RECIPE', choices: ['tiny', 'debian', 'debian-initramfs'],
    summary: 'tiny: a busybox in memory; debian: Debian, installed on a disk; debian-initramfs: a Debian in memory',
  }],
  options: [
    { name: 'suite', value: 'NAME', summary: "Debian suite such as bookworm or trixie; the host's own when absent" },
    { name: 'package', value: 'NAME', summary: 'one more package, for debian and debian-initramfs', repeatable: true },
    { name: 'size', value: 'SIZE', summary: 'of the disk, for debian; 8G when absent' },
    { name: 'output', value: 'FILE', summary: 'copy the disk there, as VHDX, to be written to' },
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

const importCommand: Command = {
  words: ['image', 'import'],
  summary: 'Make VHDX images and a description out of a machine of another hypervisor',
  operands: [{ name: 'FILE', summary: 'an appliance (.ova, .ovf), or a disk (.vmdk, .qcow2, .vhd, raw)' }],
  options: [
    { name: 'output', value: 'FOLDER', summary: 'where they are to be', fallback: '.' },
    JSON_OPTION,
  ],
  run: async (invocation) => {
    const { importMachine } = await import('../images/import-machine.ts');
    const line = new ProgressLine(process.stderr);
    try {
      const machine = await importMachine(invocation.operands[0] ?? '', {
        folder: invocation.value('output') ?? '.', progress: (step, fraction) => line.show(step, fraction),
      });
      line.close();
      const memory = Math.ceil(machine.memoryBytes / 2 ** 20);
      const words = [...machine.disks.map((disk) => `--disk ${disk}`), `--memory ${memory}M`];
      await writeData(invocation, machine, () => `partout boot ${words.join(' ')} --cpus ${machine.processors}`);
    } finally {
      line.close();
    }
    return STATUS.done;
  },
};

export const imageCommands: readonly Command[] = [build, importCommand, seedCommand, list, show, remove];

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
    const recipe = invocation.operands[0] ?? '';
    const output = invocation.value('output');
    if (output !== undefined) checkOutput(recipe, output);
    const size = invocation.value('size');
    const image = await buildImage(recipe, {
      suite: invocation.value('suite'), packages: invocation.values('package'), signal: abort.signal,
      sizeBytes: size === undefined ? undefined : parseSize('--size', size),
      runGuest: async (guest, onLine, signal) => await (await import('./build-guest.ts')).run(guest, onLine, signal),
    }, (step, fraction) => line.show(step, fraction));
    line.close();
    if (output !== undefined && image.disk !== undefined) await copyDisk(image.disk, output);
    await writeImage(invocation, image);
    return STATUS.done;
  } catch (error) {
    if (interrupted !== undefined) return interrupted;
    throw error;
  } finally {
    line.close();
  }
}

function checkOutput(recipe: string, output: string): void {
  if (recipe !== 'debian') {
    throw new OperatingError('usage', `--output is for a disk, and the ${recipe} image has none`);
  }
  if (!existsSync(output)) return;
  throw new OperatingError('bad-input', `${output} is there already: give another name, or remove it`);
}

/** Sharing what is the same, where the file system can do so. */
async function copyDisk(disk: string, output: string): Promise<void> {
  try {
    await copyFile(disk, output, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(output, 0o644);
  } catch (error) {
    throw systemError(`copy the disk to ${output}`, error);
  }
}

async function writeImage(invocation: Invocation, image: Image): Promise<void> {
  await writeData(invocation, image, () => [
    `name          ${image.name}`,
    `kernel        ${image.kernel} (${image.kernelVersion})`,
    `initrd        ${image.initrd}`,
    ...image.disk === undefined ? [] : [`disk          ${image.disk} (for a child or a copy: it is not written to)`],
    `size          ${mebibytes(image)}`,
    `memory        at least ${image.minimumMemoryMiB}M`,
    `command line  ${image.commandLine}`,
    `packages      ${image.packages.length} of Debian ${image.suite}`,
  ].join('\n'));
}

function mebibytes(image: Image): string {
  return `${(image.sizeBytes / 2 ** 20).toFixed(1)} MiB`;
}
