/** The entry that SYSLINUX or EXTLINUX would start: `label` blocks of `key value` lines [SYSLINUX wiki, Config]. */

import type { DiskFiles, MountedPartition } from './disk-files.ts';
import { CONFIGURATION_BYTES_MAX, type LoaderEntry, joined } from './boot-entry.ts';

const CONFIGURATIONS = [
  '/boot/extlinux/extlinux.conf', '/extlinux/extlinux.conf', '/boot/extlinux.conf', '/extlinux.conf',
  '/boot/syslinux/syslinux.cfg', '/syslinux/syslinux.cfg', '/syslinux.cfg',
];

interface Block {
  readonly label: string;
  readonly values: Map<string, string>;
}

/** Undefined when the disk has no configuration of it. */
export function findExtlinuxEntry(disk: DiskFiles): LoaderEntry | 'nothing to start' | undefined {
  for (const path of CONFIGURATIONS) {
    for (const partition of disk.partitions) {
      const text = partition.files.readText(path, CONFIGURATION_BYTES_MAX);
      if (text !== undefined) return entryOf(text, partition, path) ?? 'nothing to start';
    }
  }
  return undefined;
}

function entryOf(text: string, partition: MountedPartition, path: string): LoaderEntry | undefined {
  const { defaults, blocks } = parse(text);
  const wanted = defaults.get('default') ?? defaults.get('ontimeout');
  const block = blocks.find(({ label, values }) => label === wanted || values.get('menu default') === '')
    ?? blocks.find(({ values }) => values.has('kernel'));
  const named = block?.values.get('kernel');
  if (block === undefined || named === undefined) return undefined;
  const folder = path.slice(0, path.lastIndexOf('/'));
  const place = (name: string): string => name.startsWith('/') ? name : `${folder}/${name}`;
  const append = block.values.get('append') ?? defaults.get('append') ?? '';
  const words = append.split(/\s+/);
  const inAppend = words.find((word) => word.startsWith('initrd='))?.slice('initrd='.length);
  const initrds = (block.values.get('initrd') ?? inAppend ?? '').split(',').filter((name) => name !== '');
  const kernel = place(named);
  if (partition.files.kindOf(kernel) !== 'file') return undefined;
  return {
    title: block.values.get('menu label') ?? block.label, loader: 'extlinux',
    kernel: { partition: partition.number, path: kernel },
    initrds: initrds.map((name) => ({ partition: partition.number, path: place(name) })),
    commandLine: joined(words.filter((word) => !word.startsWith('initrd=') && word !== '-')),
  };
}

function parse(text: string): { defaults: Map<string, string>; blocks: Block[] } {
  const defaults = new Map<string, string>();
  const blocks: Block[] = [];
  for (const line of text.split('\n')) {
    const [, key, value] = /^\s*(menu\s+label|menu\s+default|[a-z0-9]+)(?:\s+(.*?))?\s*$/i.exec(line) ?? [];
    if (key === undefined) continue;
    const name = key.toLowerCase().replace(/\s+/, ' ').replace(/^(linux|fdt-kernel)$/, 'kernel');
    if (name === 'label') blocks.push({ label: value ?? '', values: new Map() });
    else (blocks.at(-1)?.values ?? defaults).set(name, value ?? '');
  }
  return { defaults, blocks };
}
