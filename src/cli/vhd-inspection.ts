/** `partout vhd info`, `check` and `map`: what a disk is, whether it is whole, and what it holds where. */

import { statSync } from 'node:fs';
import type { Disk } from '../storage/disk.ts';
import type { Command } from './command.ts';
import { JSON_OPTION, say, table, writeData } from './output.ts';
import { showSize } from '../kit/size.ts';
import { STATUS } from './endings.ts';

const FILE = { name: 'FILE', summary: 'the disk image' };
/** The image is not as it should be: as for any file that a command cannot use. */
const PROBLEMS_LEFT = 2;

export const infoCommand: Command = {
  words: ['vhd', 'info'],
  summary: 'Show what a disk is, and its parents',
  operands: [FILE],
  options: [JSON_OPTION],
  run: async (invocation) => {
    const { openDisk } = await import('../storage/open-disk.ts');
    const disk = openDisk(invocation.operands[0] ?? '', { readOnly: true });
    try {
      const chain: DiskInfo[] = [];
      for (let layer: Disk | undefined = disk; layer !== undefined; layer = layer.parent) chain.push(infoOf(layer));
      const [own, ...parents] = chain;
      await writeData(invocation, { ...own, parents }, () => chain.map(showInfo).join('\n\n'));
    } finally {
      disk.closeSync();
    }
    return STATUS.done;
  },
};

export const checkCommand: Command = {
  words: ['vhd', 'check'],
  summary: 'Look for what is wrong with a disk, and put it right if told so',
  operands: [FILE],
  options: [
    { name: 'repair', summary: 'put right what can be; replays the log of a VHDX that was not closed' },
    { name: 'reconnect', value: 'PARENT',
      summary: 'first tie a differencing disk to this parent, of which it was made' },
    JSON_OPTION,
  ],
  notes: 'Exit status: 0 nothing is wrong, or it was put right; 2 something is wrong.',
  run: async (invocation) => {
    const path = invocation.operands[0] ?? '';
    const parent = invocation.value('reconnect');
    if (parent !== undefined) (await import('../storage/reconnect.ts')).reconnectDisk(path, parent);
    const { checkDisk } = await import('../storage/check.ts');
    const found = checkDisk(path, { repair: invocation.has('repair') });
    await writeData(invocation, { path, ...found }, () => found.problems
      .map(({ what, isRepaired }) => `${isRepaired ? 'repaired' : 'wrong'}: ${what}`).join('\n'));
    const left = found.problems.filter(({ isRepaired }) => !isRepaired).length;
    if (left === 0 && !invocation.has('json')) say(`${path}: nothing is wrong`);
    if (left > 0) say(`${path}: ${left === 1 ? 'one thing is' : `${left} things are`} wrong`);
    return left === 0 ? STATUS.done : PROBLEMS_LEFT;
  },
};

export const mapCommand: Command = {
  words: ['vhd', 'map'],
  summary: 'Show which parts of a disk hold data, and in which file of its chain',
  operands: [FILE],
  options: [JSON_OPTION],
  run: async (invocation) => {
    const [{ openDisk }, { mapDisk }] = await Promise.all([
      import('../storage/open-disk.ts'), import('../storage/map.ts'),
    ]);
    const disk = openDisk(invocation.operands[0] ?? '', { readOnly: true });
    try {
      const names: string[] = [];
      for (let layer: Disk | undefined = disk; layer !== undefined; layer = layer.parent) names.push(layer.name);
      const extents = [...mapDisk(disk)];
      await writeData(invocation, extents, () => table(['OFFSET', 'LENGTH', 'STATE', 'FILE'], extents.map((extent) => [
        String(extent.positionBytes), String(extent.lengthBytes), extent.state, names[extent.depth] ?? '',
      ])));
    } finally {
      disk.closeSync();
    }
    return STATUS.done;
  },
};

interface DiskInfo {
  readonly path: string;
  readonly format: string;
  readonly kind: string;
  readonly sizeBytes: number;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly blockBytes: number;
  readonly fileBytes: number;
  readonly allocatedBytes: number;
  readonly [detail: string]: string | number | boolean;
}

function infoOf(disk: Disk): DiskInfo {
  const status = statSync(disk.name);
  const { sizeBytes, logicalSectorBytes, physicalSectorBytes } = disk.geometry;
  return {
    path: disk.name, format: disk.format, kind: disk.kind, sizeBytes, logicalSectorBytes, physicalSectorBytes,
    blockBytes: disk.blockBytes, fileBytes: status.size, allocatedBytes: status.blocks * 512, ...disk.describe(),
  };
}

function showInfo(info: DiskInfo): string {
  const { path, format, kind, sizeBytes, logicalSectorBytes, physicalSectorBytes, blockBytes, fileBytes, allocatedBytes,
    ...details } = info;
  return [
    `path       ${path}`,
    `format     ${format}, ${kind}`,
    `size       ${showSize(sizeBytes)} (${sizeBytes} bytes)`,
    `sectors    ${logicalSectorBytes} bytes, ${physicalSectorBytes} physical`,
    ...(blockBytes === 0 ? [] : [`blocks     ${showSize(blockBytes)}`]),
    `file       ${showSize(fileBytes)}, of which ${showSize(allocatedBytes)} take room`,
    ...Object.entries(details).map(([name, value]) => `${name.padEnd(10)} ${value}`),
  ].join('\n');
}
