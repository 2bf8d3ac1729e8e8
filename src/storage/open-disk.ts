/**
 * Opens an image of any format, with the chain of parents below it. A parent is read-only, is where the child says (the
 * relative path first, then the absolute one), and is the disk that the child was made of: one that was changed since
 * is refused, because the child holds only what differs from what it was.
 */

import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { OperatingError } from '../kit/errors.ts';
import { viewOf } from '../kit/view.ts';
import { FILE_SIGNATURE } from '../protocols/vhdx.ts';
import { FOOTER_COOKIE, LocatorPlatform, PARENT_LOCATOR_COUNT, VhdParentLocator, VhdType } from '../protocols/vhd.ts';
import { QCOW2_MAGIC } from '../protocols/qcow2.ts';
import { readBytes, type BlockFile } from './block-file.ts';
import { damaged, unsupported } from './damaged.ts';
import type { Disk, DiskFormat } from './disk.ts';
import { type CacheMode, HostFile } from './host-file.ts';
import { hostPathOf } from './parent-path.ts';
import { openQcow2 } from './qcow2/open-qcow2.ts';
import { Qcow2Disk } from './qcow2/qcow2-disk.ts';
import { RawDisk } from './raw/raw-disk.ts';
import { LOCATOR_BYTES, vhdTime } from './vhd/create-vhd.ts';
import { FixedVhdDisk } from './vhd/fixed-vhd-disk.ts';
import { footerPosition, openVhd, type OpenedVhd } from './vhd/open-vhd.ts';
import { ANY_TIME, type DynamicValues, MERGED_TIME } from './vhd/structures.ts';
import { VhdDisk } from './vhd/vhd-disk.ts';
import { openVhdx } from './vhdx/open-vhdx.ts';
import { LocatorKey, type ParentLocator } from './vhdx/parent-locator.ts';
import { VhdxDisk } from './vhdx/vhdx-disk.ts';
import { isVmdk, openVmdk } from './vmdk/open-vmdk.ts';
import { VmdkDisk } from './vmdk/vmdk-disk.ts';

export interface OpenOptions {
  readonly readOnly: boolean;
  /** What the file is; found out when absent. An image that says nothing of itself is raw. */
  readonly format?: DiskFormat | undefined;
  /** Of the whole chain; 'host' by default. */
  readonly cache?: CacheMode | undefined;
  /** A parent into which the disk was merged to the end is right, too. */
  readonly acceptsMergedParent?: boolean;
}

/** A chain is as long as somebody makes it, and each link costs a look-up in each read. */
const CHAIN_LENGTH_MAX = 64;

/**
 * @throws OperatingError which says what is wrong with the image or its chain, and where.
 * @example const disk = openDisk('debian.vhdx', { readOnly: false });
 */
export function openDisk(path: string, options: OpenOptions): Disk {
  return openLink(path, options, []);
}

/** What a file is, from its content. */
export function formatOf(file: BlockFile): DiskFormat {
  const start = readBytes(file, 0, 8);
  const text = Buffer.from(start).toString('latin1');
  if (text === FILE_SIGNATURE) return 'vhdx';
  if (viewOf(start).getUint32(0) === QCOW2_MAGIC) return 'qcow2';
  if (isVmdk(file)) return 'vmdk';
  const end = footerPosition(file) < 0 ? '' : Buffer.from(readBytes(file, footerPosition(file), 8)).toString('latin1');
  return text === FOOTER_COOKIE || end === FOOTER_COOKIE ? 'vhd' : 'raw';
}

function openLink(path: string, options: OpenOptions, above: readonly string[]): Disk {
  const { readOnly, format, cache } = options;
  if (above.length >= CHAIN_LENGTH_MAX) {
    throw new OperatingError('bad-input',
      `the chain of parents of ${above[0]} has more than ${CHAIN_LENGTH_MAX} disks`);
  }
  const file = new HostFile(path, { readOnly, cache });
  const opened: Disk[] = [];
  try {
    const real = realpathSync(path);
    if (above.includes(real)) throw damaged(file, 'it is its own parent, directly or through others');
    const openParent = (parentPath: string, parentFormat: DiskFormat | undefined): Disk => {
      const parent = openLink(parentPath, { readOnly: true, format: parentFormat, cache }, [...above, real]);
      opened.push(parent);
      return parent;
    };
    return openFormat(file, format ?? formatOf(file), openParent, options);
  } catch (error) {
    for (const parent of opened) parent.closeSync();
    file.closeSync();
    throw error;
  }
}

type OpenParent = (path: string, format: DiskFormat | undefined) => Disk;

function openFormat(file: BlockFile, format: DiskFormat, openParent: OpenParent, options: OpenOptions): Disk {
  switch (format) {
    case 'raw': return new RawDisk({ file });
    case 'vhdx': return openVhdxLink(file, openParent, options.acceptsMergedParent === true);
    case 'vhd': return openVhdLink(openVhd(file), openParent, options.acceptsMergedParent === true);
    case 'qcow2': return openQcow2Link(file, openParent);
    case 'vmdk': return openVmdkDisk(file, options.cache);
  }
}

function openVhdxLink(file: BlockFile, openParent: OpenParent, acceptsMergedParent: boolean): VhdxDisk {
  const opened = openVhdx(file);
  const { parentLocator: locator, logicalSectorBytes } = opened.metadata.values;
  if (locator === undefined) return new VhdxDisk({ opened, parent: undefined });
  const keys = [LocatorKey.RelativePath, LocatorKey.VolumePath, LocatorKey.AbsolutePath];
  const parent = openParent(findParent(file, keys.map((key) => locator.get(key) ?? '')), 'vhdx');
  if (!(parent instanceof VhdxDisk)) throw unsupported(file, 'its parent is not a VHDX');
  const isMerged = parent.dataWriteGuid === opened.headers.current.dataWriteGuid;
  if (isMerged && !acceptsMergedParent) throw merged(file, parent.name);
  if (!isMerged) checkVhdxParent(file, parent, locator);
  if (parent.geometry.logicalSectorBytes !== logicalSectorBytes) {
    throw damaged(file, `its sectors have ${logicalSectorBytes} bytes, and those of its parent `
      + `${parent.geometry.logicalSectorBytes}`);
  }
  return new VhdxDisk({ opened, parent });
}

function checkVhdxParent(file: BlockFile, parent: VhdxDisk, locator: ParentLocator): void {
  const linkages = [LocatorKey.Linkage, LocatorKey.Linkage2].map((key) => locator.get(key)?.toLowerCase());
  if (linkages.includes(`{${parent.dataWriteGuid}}`)) return;
  throw changedParent(file, parent.name);
}

function openVhdLink(opened: OpenedVhd, openParent: OpenParent, acceptsMergedParent: boolean): Disk {
  const { file, dynamic } = opened;
  if (dynamic === undefined) return new FixedVhdDisk(opened);
  const isDifferencing = opened.footer.diskType === VhdType.Differencing;
  if (!isDifferencing) return new VhdDisk({ ...opened, dynamic }, undefined);
  const parentPath = findParent(file, [...locatorPaths(file, dynamic), dynamic.parentName]);
  const parent = openParent(parentPath, 'vhd');
  const isSame = parent.describe()['diskId'] === dynamic.parentUniqueId;
  const isMerged = isSame && dynamic.parentTimeStamp === MERGED_TIME;
  if (isMerged && !acceptsMergedParent) throw merged(file, parentPath);
  if (!isSame || !(isMerged || hasTimeOf(parentPath, dynamic))) throw changedParent(file, parentPath);
  return new VhdDisk({ ...opened, dynamic }, parent);
}

/** VHD has no other mark of a change than the time at which the file was. */
function hasTimeOf(parentPath: string, { parentTimeStamp }: DynamicValues): boolean {
  return parentTimeStamp === ANY_TIME || parentTimeStamp === vhdTime(statSync(parentPath).mtimeMs);
}

/** Relative paths first. */
function locatorPaths(file: BlockFile, { locators }: DynamicValues): string[] {
  const order: readonly number[] = [
    LocatorPlatform.WindowsRelative, LocatorPlatform.Macintosh, LocatorPlatform.WindowsAbsolute,
  ];
  const rows = Array.from({ length: PARENT_LOCATOR_COUNT }, (_, index) =>
    VhdParentLocator.decode(viewOf(locators), index * VhdParentLocator.$size));
  return order.flatMap((platform) => rows.filter(({ platformCode }) => platformCode === platform).map((row) => {
    if (row.dataLength > LOCATOR_BYTES || row.dataOffset + row.dataLength > file.sizeBytes) {
      throw damaged(file, `a path of its parent is said to have ${row.dataLength} bytes at ${row.dataOffset}`);
    }
    const text = Buffer.from(readBytes(file, row.dataOffset, row.dataLength))
      .toString(platform === LocatorPlatform.Macintosh ? 'utf8' : 'utf16le');
    return text.replace(/\0.*$/s, '');
  }));
}

function openQcow2Link(file: BlockFile, openParent: OpenParent): Qcow2Disk {
  if (!file.isReadOnly) throw unsupported(file, 'a QCOW2 image is only read: convert it to VHDX');
  const opened = openQcow2(file);
  if (opened.backingName === undefined) return new Qcow2Disk(opened, undefined);
  return new Qcow2Disk(opened, openParent(findParent(file, [opened.backingName]), undefined));
}

function openVmdkDisk(file: BlockFile, cache: CacheMode | undefined): VmdkDisk {
  if (!file.isReadOnly) throw unsupported(file, 'a VMDK image is only read: convert it to VHDX');
  return new VmdkDisk(openVmdk(file,
    (name) => new HostFile(join(dirname(file.name), name), { readOnly: true, cache })));
}

function findParent(file: BlockFile, candidates: readonly string[]): string {
  for (const candidate of candidates) {
    const found = hostPathOf(file.name, candidate);
    if (found !== undefined && existsSync(found)) return found;
  }
  const named = [...new Set(candidates.filter((candidate) => candidate !== ''))]
    .map((candidate) => JSON.stringify(candidate)).join(' or ');
  throw new OperatingError('not-found', `the parent of ${file.name} is not there: ${named || 'no path'} is where it `
    + `should be; put it back, or name it with 'partout vhd check --reconnect'`);
}

function merged(file: BlockFile, parentPath: string): OperatingError {
  return new OperatingError('bad-input',
    `${file.name} was merged into ${parentPath} to the end: use that in its place`);
}

function changedParent(file: BlockFile, parentPath: string): OperatingError {
  return new OperatingError('bad-input', `${basename(parentPath)} is not the parent that ${file.name} was made of, or `
    + `was changed since: restore it, or, if you know that it is right, 'partout vhd check --reconnect'`);
}
