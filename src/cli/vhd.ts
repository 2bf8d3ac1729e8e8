/** `partout vhd …`: virtual disks of every format, made, looked at and changed. */

import type { NewDisk } from '../storage/create-disk.ts';
import type { DiskFormat } from '../storage/disk.ts';
import { OperatingError } from '../kit/errors.ts';
import type { Command, Invocation, Option } from './command.ts';
import { STATUS } from './endings.ts';
import { JSON_OPTION, writeData } from './output.ts';
import { parseSize } from '../kit/size.ts';
import { checkCommand, infoCommand, mapCommand } from './vhd-inspection.ts';
import { withProgress } from './vhd-progress.ts';

const FILE = { name: 'FILE', summary: 'the disk image' };
const SIZE = { name: 'SIZE', summary: 'such as 512M, 20G or 1T' };
/** What the formats that can be made are called, by the ending of a file's name. */
const BY_ENDING: Readonly<Record<string, NewDisk['format']>> = { vhdx: 'vhdx', vhd: 'vhd', raw: 'raw', img: 'raw' };

const SHAPE_OPTIONS: readonly Option[] = [
  { name: 'format', value: 'FORMAT', summary: "vhdx, vhd or raw; by the file's ending when absent" },
  { name: 'fixed', summary: 'all room from the start; otherwise blocks are added as they are written' },
  { name: 'block-size', value: 'SIZE',
    summary: 'room is added in such blocks; 32M for vhdx, 2M for vhd and for children' },
  { name: 'sector-size', value: 'BYTES', summary: 'of the disk as the guest sees it: 512 or 4096 (vhdx)' },
  { name: 'physical-sector-size', value: 'BYTES', summary: 'what the guest is told to align to: 512 or 4096 (vhdx)' },
];

const newCommand: Command = {
  words: ['vhd', 'new'],
  summary: 'Make an empty disk, or a differencing disk on top of another one',
  operands: [FILE],
  options: [
    { name: 'size', value: 'SIZE', summary: 'such as 512M, 20G or 1T; a child has the size of its parent' },
    { name: 'parent', value: 'FILE', summary: 'make a child of this disk, which must not be written to from now on' },
    ...SHAPE_OPTIONS,
    JSON_OPTION,
  ],
  run: async (invocation) => {
    const path = invocation.operands[0] ?? '';
    const { createChild, createDisk } = await import('../storage/create-disk.ts');
    const parent = invocation.value('parent');
    const size = invocation.value('size');
    if (parent === undefined) {
      if (size === undefined) throw new OperatingError('usage', 'a new disk needs a size: --size SIZE');
      createDisk(path, { ...shapeOf(invocation, path), sizeBytes: parseSize('--size', size) });
    } else {
      refuseForChild(invocation);
      createChild(path, parent, sizeOption(invocation, 'block-size'));
    }
    await writeData(invocation, { path }, () => '');
    return STATUS.done;
  },
};

const convertCommand: Command = {
  words: ['vhd', 'convert'],
  summary: 'Copy a disk, with its parents, into a new image of any format',
  operands: [FILE, { name: 'TARGET', summary: 'the new image' }],
  options: [
    ...SHAPE_OPTIONS,
    { name: 'source-format', value: 'FORMAT', summary: 'vhdx, vhd, qcow2, vmdk or raw; found out when absent' },
    JSON_OPTION,
  ],
  run: async (invocation) => {
    const [source = '', target = ''] = invocation.operands;
    const { convertDisk } = await import('../storage/convert.ts');
    const formats: readonly DiskFormat[] = ['vhdx', 'vhd', 'qcow2', 'vmdk', 'raw'];
    const sourceFormat = oneOf(invocation, 'source-format', formats) as DiskFormat | undefined;
    return withProgress(`copying ${source}`, async (work) => {
      await convertDisk(source, target, { ...shapeOf(invocation, target), sourceFormat }, work);
      await writeData(invocation, { path: target }, () => '');
    });
  },
};

const resizeCommand: Command = {
  words: ['vhd', 'resize'],
  summary: 'Make a disk larger, or smaller',
  operands: [FILE, SIZE],
  options: [{ name: 'shrink', summary: 'a smaller size is meant, and what is beyond it may be lost' }, JSON_OPTION],
  run: async (invocation) => {
    const [path = '', size = ''] = invocation.operands;
    const sizeBytes = parseSize('SIZE', size);
    const { openDisk } = await import('../storage/open-disk.ts');
    const disk = openDisk(path, { readOnly: false });
    try {
      if (sizeBytes < disk.geometry.sizeBytes && !invocation.has('shrink')) {
        throw new OperatingError('usage', `${path} has ${disk.geometry.sizeBytes} bytes: with --shrink what is beyond `
          + `${sizeBytes} is cut off`);
      }
      disk.resizeSync(sizeBytes);
    } finally {
      disk.closeSync();
    }
    await writeData(invocation, { path, sizeBytes }, () => '');
    return STATUS.done;
  },
};

const mergeCommand: Command = {
  words: ['vhd', 'merge'],
  summary: 'Put what a differencing disk holds into its parent, and remove it',
  operands: [FILE],
  options: [{ name: 'keep', summary: "leave the disk's file, which is of no use any more" }, JSON_OPTION],
  notes: 'A merge that was stopped, however that was, is begun again with the same command.',
  run: async (invocation) => {
    const path = invocation.operands[0] ?? '';
    const { mergeDisk } = await import('../storage/merge.ts');
    return withProgress(`merging ${path}`, async (work) => {
      const parent = await mergeDisk(path, { ...work, keepsChild: invocation.has('keep') });
      await writeData(invocation, { path: parent }, () => parent);
    });
  },
};

const compactCommand: Command = {
  words: ['vhd', 'compact'],
  summary: 'Give the room that a dynamic disk does not need back to the host',
  operands: [FILE],
  options: [JSON_OPTION],
  run: async (invocation) => {
    const path = invocation.operands[0] ?? '';
    const { compactDisk } = await import('../storage/compact.ts');
    return withProgress(`compacting ${path}`, async (work) => {
      const { bytesBefore, bytesAfter } = await compactDisk(path, work);
      await writeData(invocation, { path, bytesBefore, bytesAfter }, () => `${bytesBefore} -> ${bytesAfter} bytes`);
    });
  },
};

export const vhdCommands: readonly Command[] = [
  newCommand, infoCommand, checkCommand, convertCommand, resizeCommand, mergeCommand, compactCommand, mapCommand,
];

function shapeOf(invocation: Invocation, path: string): Omit<NewDisk, 'sizeBytes'> {
  const named = oneOf(invocation, 'format', ['vhdx', 'vhd', 'raw']) as NewDisk['format'] | undefined;
  const format = named ?? BY_ENDING[path.slice(path.lastIndexOf('.') + 1).toLowerCase()];
  if (format === undefined) {
    throw new OperatingError('usage',
      `${path} does not end in .vhdx, .vhd, .raw or .img: say --format vhdx, vhd or raw`);
  }
  if (format === 'raw' && invocation.has('block-size')) {
    throw new OperatingError('usage', '--block-size is for vhdx and vhd: a raw image has no blocks');
  }
  return {
    format, isFixed: invocation.has('fixed'), blockBytes: sizeOption(invocation, 'block-size'),
    logicalSectorBytes: sizeOption(invocation, 'sector-size'),
    physicalSectorBytes: sizeOption(invocation, 'physical-sector-size'),
  };
}

function refuseForChild(invocation: Invocation): void {
  for (const name of ['size', 'fixed', 'format', 'sector-size', 'physical-sector-size']) {
    if (invocation.has(name)) {
      throw new OperatingError('usage', `--${name} does not go with --parent: a child has it from its parent`);
    }
  }
}

function sizeOption(invocation: Invocation, name: string): number | undefined {
  const text = invocation.value(name);
  return text === undefined ? undefined : parseSize(`--${name}`, text);
}

function oneOf(invocation: Invocation, name: string, choices: readonly string[]): string | undefined {
  const value = invocation.value(name);
  if (value === undefined || choices.includes(value)) return value;
  throw new OperatingError('usage', `--${name} is ${choices.join(', ')}, not ${value}`);
}
