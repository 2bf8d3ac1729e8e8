/**
 * Debian on a disk: a VHDX with the system installed by Debian's own dpkg, maintainer scripts and all. Nothing of that
 * needs privileges here, because a guest of ours does it (`guests/debian/build`): it finds an empty disk and a disc
 * with the packages, and leaves a system that boots with the distribution's own kernel, initrd and loader.
 */

import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { OperatingError, systemError } from '../kit/errors.ts';
import { findBootEntry } from '../storage/boot/find-boot-entry.ts';
import { createDisk } from '../storage/create-disk.ts';
import { HostFile } from '../storage/host-file.ts';
import { IsoWriter } from '../storage/iso9660/iso-writer.ts';
import { openDisk } from '../storage/open-disk.ts';
import type { Apt, PackageVersion } from './apt.ts';
import { badArchive } from './bad-archive.ts';
import { writeCpio } from './cpio.ts';
import { type DebianPackage, readDeb, uncompressedDeb } from './deb.ts';
import { addDebianSkeleton } from './debian-configuration.ts';
import { UNWANTED } from './debian-initramfs.ts';
import { FileTree } from './file-tree.ts';
import type { RunGuest } from './guest-run.ts';
import type { Image } from './image-store.ts';
import {
  type BuildSite, KERNEL_META_PACKAGE, minimumMemoryMiB, openKernel, writePieces,
} from './initramfs-image.ts';
import type { KernelModules } from './kernel-modules.ts';
import { guestFilesPath, readGuestFile, readGuestList } from './recipe.ts';

export const DEFAULT_DISK_BYTES = 8 * 2 ** 30;
export const MINIMUM_DISK_BYTES = 2 * 2 ** 30;

const REVISION = 1;
/** `/` and `/usr` are one from the start. */
const ESSENTIAL = ['?essential', 'usr-is-merged'];
/** What the guest that installs has besides. */
const INSTALLER_PACKAGES = ['dosfstools', 'e2fsprogs', 'fdisk', 'kmod', 'mount'];
const INSTALLER_MODULES = [
  'hv_vmbus', 'hv_storvsc', 'sd_mod', 'isofs', 'nls_ascii', 'nls_cp437', 'vfat',
];
/** Beside what its own files take: the packages' files on their way to the disk. */
const INSTALLER_MEMORY_MIB = 768;
const INSTALLER_COMMAND_LINE = 'console=ttyS0 quiet panic=-1 rootfstype=ramfs';
const COMMAND_LINE = 'console=ttyS0 root=LABEL=root ro';
const SYSTEM_MEMORY_MIB = 512;
const BLOCK_BYTES = 2 * 2 ** 20;
const KEPT_LINES = 60;

export interface DebianDiskOptions {
  readonly runGuest: RunGuest;
  readonly packages: readonly string[];
  readonly sizeBytes: number;
}

/** In the order in which they are installed; together they are all packages. */
interface PackageLists {
  readonly essential: readonly PackageVersion[];
  readonly system: readonly PackageVersion[];
  readonly kernel: readonly PackageVersion[];
  /** Of these the names of those that the installing guest is made of. */
  readonly installer: ReadonlySet<string>;
}

export async function buildDebianDisk(site: BuildSite, options: DebianDiskOptions): Promise<Image> {
  const { apt, store, progress } = site;
  const lists = await choosePackages(apt, options.packages);
  const all = [...lists.essential, ...lists.system, ...lists.kernel];
  const kernelPackage = lists.kernel.find(({ name }) => /^linux-image-\d/.test(name));
  if (kernelPackage === undefined) throw badArchive(`${KERNEL_META_PACKAGE} of ${apt.suite} names no kernel`);
  const name = imageName(kernelPackage, all, options.sizeBytes);
  const present = await store.find(name);
  if (present !== undefined) return present;
  const files = await apt.download(all);
  const description = {
    recipe: 'debian', suite: apt.suite, kernelVersion: kernelPackage.name.replace(/^linux-image-/, ''),
    commandLine: COMMAND_LINE, minimumMemoryMiB: SYSTEM_MEMORY_MIB,
    packages: all.map((each) => `${each.name}=${each.version}`),
  };
  try {
    return await store.add(name, description, async (folder) => {
      const disc = join(folder, 'packages.iso');
      const guest = await writeInstaller(site, { folder, disc, lists, files, kernelIndex: all.indexOf(kernelPackage) });
      await site.releaseApt();
      const disk = join(folder, 'disk.vhdx');
      createDisk(disk, { format: 'vhdx', sizeBytes: options.sizeBytes, blockBytes: BLOCK_BYTES });
      const disks = [{ path: disk, readOnly: false }, { path: disc, readOnly: true }];
      progress('installing', 0);
      await install(options.runGuest, { ...guest, commandLine: INSTALLER_COMMAND_LINE, disks }, site);
      await rm(disc);
      await keepBootFiles(disk, guest);
      // What children are made of must stay as it is.
      await chmod(disk, 0o444);
    });
  } catch (error) {
    throw systemError(`write the image ${name}`, error);
  }
}

/** Kernel and initial RAM file system as the disk has them, in place of the installing guest's. */
async function keepBootFiles(path: string, { kernel, initrd }: Installer): Promise<void> {
  const disk = openDisk(path, { readOnly: true });
  try {
    const entry = findBootEntry(disk);
    await writeFile(kernel, entry.kernel);
    await writeFile(initrd, entry.initrd ?? new Uint8Array(0));
  } finally {
    disk.closeSync();
  }
}

async function choosePackages(apt: Apt, more: readonly string[]): Promise<PackageLists> {
  const essential = await apt.resolve(ESSENTIAL);
  const installer = await apt.resolve([...ESSENTIAL, ...INSTALLER_PACKAGES]);
  const wanted = [...ESSENTIAL, ...INSTALLER_PACKAGES, ...readGuestList('debian/packages'), ...more];
  const everything = await apt.resolve([...new Set(wanted), KERNEL_META_PACKAGE]);
  const isEssential = new Set(essential.map(({ name }) => name));
  const rest = everything.filter(({ name }) => !isEssential.has(name));
  const isKernel = ({ name }: PackageVersion): boolean => name.startsWith('linux-image-');
  return {
    essential, system: rest.filter((each) => !isKernel(each)), kernel: rest.filter(isKernel),
    installer: new Set(installer.map(({ name }) => name)),
  };
}

function imageName(kernel: PackageVersion, packages: readonly PackageVersion[], sizeBytes: number): string {
  const guestFiles = ['debian/build', ...systemFiles().map(({ path }) => path)].map(readGuestFile);
  const inputs = [REVISION, packages, sizeBytes, COMMAND_LINE, guestFiles];
  const digest = createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
  return `debian-${kernel.name.replace(/^linux-image-/, '')}-${digest.slice(0, 10)}`;
}

/** The files of ours that the installed system gets, with their paths in `guests/` and in the system. */
function systemFiles(): { path: string; place: string; isExecutable: boolean }[] {
  const folder = guestFilesPath('debian/files');
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.map((entry) => {
    const file = join(entry.parentPath, entry.name);
    const place = relative(folder, file);
    return { path: `debian/files/${place}`, place, isExecutable: (statSync(file).mode & 0o100) !== 0 };
  }).sort((a, b) => (a.place < b.place ? -1 : 1));
}

interface Installer {
  readonly kernel: string;
  readonly initrd: string;
  readonly memoryMiB: number;
}

/** Writes the disc with the packages, and kernel and initramfs of the guest that installs them. */
async function writeInstaller(site: BuildSite, { folder, disc, lists, files, kernelIndex }: {
  readonly folder: string; readonly disc: string; readonly lists: PackageLists; readonly files: readonly string[];
  readonly kernelIndex: number;
}): Promise<Installer> {
  const file = new HostFile(disc, { readOnly: false, create: true });
  try {
    const writer = new IsoWriter(file, { label: 'packages', modifiedMs: Date.now() });
    const opened = await addPackages(writer, site, files, lists);
    const { essential, system } = lists;
    const ends = { essential: essential.length, system: essential.length + system.length, kernel: files.length };
    let start = 0;
    for (const [name, end] of Object.entries(ends)) {
      const names = files.slice(start, end).map((path) => `${discName(path)}\n`).join('');
      writer.addFile(name, Buffer.from(names));
      start = end;
    }
    writer.finish();
    const path = files[kernelIndex]!;
    const { kernel, modules } = openKernel(await readDeb(await readFile(path), discName(path)));
    const tree = await installerTree(opened, modules);
    const initrd = [...writeCpio(tree)];
    const paths = { kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initrd') };
    await writeFile(paths.kernel, kernel);
    await writePieces(paths.initrd, initrd);
    return { ...paths, memoryMiB: minimumMemoryMiB(tree, initrd) + INSTALLER_MEMORY_MIB };
  } finally {
    file.closeSync();
  }
}

/** Puts all packages on the disc; gives those that the installing guest is made of. */
async function addPackages(
  writer: IsoWriter, { progress, signal }: BuildSite, files: readonly string[], lists: PackageLists,
): Promise<DebianPackage[]> {
  const names = [...lists.essential, ...lists.system, ...lists.kernel].map(({ name }) => name);
  const opened: DebianPackage[] = [];
  for (const [index, path] of files.entries()) {
    if (signal?.aborted === true) throw new OperatingError('host', 'the build was interrupted');
    progress('unpacking', index / files.length);
    const plain = await uncompressedDeb(await readFile(path), discName(path));
    writer.addFile(discName(path), plain);
    if (lists.installer.has(names[index]!)) opened.push(await readDeb(plain, discName(path)));
  }
  return opened;
}

/** The file's name without what a disc or a shell could stumble over. */
function discName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replaceAll(/[^A-Za-z0-9._+~-]/g, '-');
}

async function installerTree(packages: readonly DebianPackage[], modules: KernelModules): Promise<FileTree> {
  const tree = new FileTree();
  addDebianSkeleton(tree);
  for (const debianPackage of packages) tree.unpack(debianPackage.files(), (path) => !UNWANTED.test(path));
  tree.addDevice('dev/console', 'character', 5, 1);
  tree.addDevice('dev/null', 'character', 1, 3, { mode: 0o666 });
  tree.addSymlink('etc/mtab', '../proc/self/mounts');
  tree.addFile('init', readGuestFile('debian/build'), { mode: 0o755 });
  for (const { path, place, isExecutable } of systemFiles()) {
    tree.addFile(`files/${place}`, readGuestFile(path), { mode: isExecutable ? 0o755 : 0o644 });
  }
  const ordered = await modules.inLoadingOrder(INSTALLER_MODULES);
  for (const { name, data } of ordered) tree.addFile(`lib/modules/${name}.ko`, data);
  tree.addFile('etc/partout/modules', ordered.map(({ name }) => `/lib/modules/${name}.ko\n`).join(''));
  return tree;
}

/** Runs the guest, and believes it only when it says that it is done. */
async function install(
  runGuest: RunGuest, guest: Parameters<RunGuest>[0], { progress, signal }: BuildSite,
): Promise<void> {
  const lines: string[] = [];
  let isDone = false;
  let failure: string | undefined;
  const end = await runGuest(guest, (line) => {
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
    const [, percent, step] = /partout: step (\d{1,3}) (.*)$/.exec(line) ?? [];
    if (percent !== undefined && step !== undefined) progress(`installing: ${step}`, Number(percent) / 100);
    failure ??= /partout: failed: (.*)$/.exec(line)?.[1];
    if (line.endsWith('partout: done')) isDone = true;
  }, signal);
  if (signal?.aborted === true) throw new OperatingError('host', 'the build was interrupted');
  if (isDone && failure === undefined && end === undefined) return;
  for (const line of lines) progress(line);
  throw new OperatingError('internal', `the guest did not install the system: ${
    failure ?? end ?? 'it switched itself off before it was done'}`);
}
