/**
 * Entries of the Boot Loader Specification, type 1: files of `key value` lines in `loader/entries`, which systemd-boot
 * shows, and GRUB where its configuration says `blscfg` [UAPI Group, Boot Loader Specification].
 */

import type { DiskFiles, MountedPartition } from './disk-files.ts';
import { CONFIGURATION_BYTES_MAX, type LoaderEntry, joined } from './boot-entry.ts';

export interface BlsEntry {
  /** The file's name without its ending. */
  readonly id: string;
  readonly title: string;
  readonly version: string;
  /** In the partition that the entry is on. */
  readonly kernel: string;
  readonly initrds: readonly string[];
  readonly options: string;
}

/** Of a partition for /boot or for EFI, and of a root file system with /boot in it. */
const FOLDERS = ['/loader/entries', '/boot/loader/entries'];
const ENTRIES_MAX = 200;

/** Newest first, as they are shown. */
export function readBlsEntries({ files }: MountedPartition): BlsEntry[] {
  const folder = FOLDERS.find((path) => files.kindOf(path) === 'folder');
  if (folder === undefined) return [];
  const names = files.list(folder).filter((name) => /\.conf$/i.test(name)).slice(0, ENTRIES_MAX);
  const entries = names.flatMap((name) => {
    const text = files.readText(`${folder}/${name}`, CONFIGURATION_BYTES_MAX) ?? '';
    const entry = parseEntry(name.slice(0, -'.conf'.length), text);
    // In a root file system paths are those of the partition that /boot could be.
    const isInPlace = entry === undefined || files.kindOf(entry.kernel) === 'file';
    const prefix = folder.startsWith('/boot') && !isInPlace ? '/boot' : '';
    if (entry === undefined || files.kindOf(prefix + entry.kernel) !== 'file') return [];
    return [{ ...entry, kernel: prefix + entry.kernel, initrds: entry.initrds.map((path) => prefix + path) }];
  });
  return entries.sort((a, b) => compareVersions(b.version || b.id, a.version || a.id));
}

/** The entry that systemd-boot would start; undefined where it is not. */
export function findSystemdBootEntry(disk: DiskFiles): LoaderEntry | undefined {
  const all = disk.partitions.flatMap((partition) =>
    readBlsEntries(partition).map((entry) => ({ entry, partition: partition.number })));
  if (all.length === 0) return undefined;
  const settings = disk.partitions.map(({ files }) => files.readText('/loader/loader.conf', CONFIGURATION_BYTES_MAX))
    .find((text) => text !== undefined);
  const wanted = /^default[ \t]+(\S+)/m.exec(settings ?? '')?.[1];
  const pattern = wanted === undefined ? undefined : globPattern(wanted);
  const chosen = all.find(({ entry }) => pattern?.test(`${entry.id}.conf`) === true || pattern?.test(entry.id) === true)
    ?? all[0]!;
  const { entry, partition } = chosen;
  return {
    title: entry.title, loader: 'systemd-boot', kernel: { partition, path: entry.kernel },
    initrds: entry.initrds.map((path) => ({ partition, path })), commandLine: joined(entry.options.split(/\s+/)),
  };
}

function parseEntry(id: string, text: string): BlsEntry | undefined {
  const values = (key: string): string[] =>
    [...text.matchAll(new RegExp(`^${key}[ \\t]+(.*?)[ \\t\\r]*$`, 'gm'))].map((match) => match[1]!);
  const kernel = values('linux')[0];
  if (kernel === undefined) return undefined;
  return {
    id, kernel: rooted(kernel), title: values('title')[0] ?? id, version: values('version')[0] ?? '',
    // GRUB takes several on one line.
    initrds: values('initrd').flatMap((value) => value.split(/\s+/)).map(rooted), options: joined(values('options')),
  };
}

function rooted(path: string): string {
  return path.startsWith('/') || path.startsWith('$') ? path : `/${path}`;
}

/** Numbers by their size, everything else by its letters. */
function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** A name with "*" and "?"; only of these, so that no pattern takes long. */
function globPattern(text: string): RegExp {
  const collapsed = text.slice(0, 200).replaceAll(/\*+/g, '*');
  const literal = collapsed.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${literal.replaceAll('*', '.*').replaceAll('?', '.')}$`);
}
