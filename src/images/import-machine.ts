/**
 * Brings a machine of another hypervisor here: an appliance (OVA, or OVF with its files beside it) or a single disk
 * becomes VHDX images and a description of what the machine had. Nothing is written outside the folder that was named.
 */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { OperatingError, systemError } from '../kit/errors.ts';
import type { BlockFile } from '../storage/block-file.ts';
import { copyDisk } from '../storage/convert.ts';
import type { Disk } from '../storage/disk.ts';
import { HostFile } from '../storage/host-file.ts';
import { openDisk } from '../storage/open-disk.ts';
import { SliceFile } from '../storage/slice-file.ts';
import { openVmdk } from '../storage/vmdk/open-vmdk.ts';
import { VmdkDisk } from '../storage/vmdk/vmdk-disk.ts';
import type { Progress } from './apt.ts';
import { badArchive } from './bad-archive.ts';
import { type OvfMachine, parseOvf } from './ovf.ts';
import { readTarIndex } from './tar-index.ts';

export interface ImportedMachine {
  readonly name: string;
  readonly processors: number;
  readonly memoryBytes: number;
  /** Paths of the VHDX images, the first to boot from. */
  readonly disks: readonly string[];
  readonly nics: number;
}

export interface ImportOptions {
  readonly folder: string;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** The files of an appliance by their names; each is read while the appliance is open. */
interface Appliance {
  readonly files: ReadonlyMap<string, BlockFile>;
  close(): void;
}

const DESCRIPTION_BYTES_MAX = 4 * 2 ** 20;
const DEFAULT_MEMORY_BYTES = 1024 * 2 ** 20;
const READ_BYTES = 2 ** 20;

/**
 * @throws OperatingError which says what is wrong with the appliance, or what of it cannot be had.
 * @example const { disks } = await importMachine('appliance.ova', { folder: '.' });
 */
export async function importMachine(path: string, options: ImportOptions): Promise<ImportedMachine> {
  await mkdir(options.folder, { recursive: true }).catch((error: unknown) => {
    throw systemError(`make the folder ${options.folder}`, error);
  });
  const ending = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  if (ending !== 'ova' && ending !== 'ovf') return await importDisk(path, options);
  const appliance = ending === 'ova' ? openArchive(path) : openBeside(path);
  try {
    return await importAppliance(path, appliance, options);
  } finally {
    appliance.close();
  }
}

/** One disk is a machine with what such a machine usually has. */
async function importDisk(path: string, options: ImportOptions): Promise<ImportedMachine> {
  const name = plainName(basename(path).replace(/\.[^.]*$/, ''));
  const disk = openDisk(path, { readOnly: true });
  try {
    const disks = [await convert(disk, join(options.folder, `${name}.vhdx`), options)];
    return await describe({ name, processors: 1, memoryBytes: DEFAULT_MEMORY_BYTES, disks, nics: 1 }, options);
  } finally {
    disk.closeSync();
  }
}

async function importAppliance(
  path: string, appliance: Appliance, options: ImportOptions,
): Promise<ImportedMachine> {
  const ovf = [...appliance.files].find(([name]) => name.toLowerCase().endsWith('.ovf'));
  if (ovf === undefined) throw badArchive(`${path} holds no description of a machine (.ovf)`);
  const machine = parseOvf(textOf(ovf[1]), ovf[0]);
  const manifest = [...appliance.files].find(([name]) => name.toLowerCase().endsWith('.mf'));
  if (manifest !== undefined) checkManifest(textOf(manifest[1]), appliance, machine, options);
  const name = plainName(machine.name);
  const disks: string[] = [];
  for (const [index, fileName] of machine.diskFiles.entries()) {
    const file = appliance.files.get(fileName);
    if (file === undefined) throw badArchive(`${path} holds no ${JSON.stringify(fileName)}, which ${ovf[0]} names`);
    const disk = new VmdkDisk(openVmdk(file, (other) => {
      throw badArchive(`${fileName} of ${path} is in several files, as ${JSON.stringify(other)}: export it as one`);
    }));
    const target = join(options.folder, `${name}${index === 0 ? '' : `-${index + 1}`}.vhdx`);
    disks.push(await convert(disk, target, options));
  }
  const { processors, memoryBytes, nics } = machine;
  return await describe({ name, processors, memoryBytes, disks, nics }, options);
}

async function convert(disk: Disk, target: string, { progress, signal }: ImportOptions): Promise<string> {
  const step = `copying ${basename(disk.name)}`;
  progress?.(step, 0);
  await copyDisk(disk, target, { format: 'vhdx' }, {
    progress: (fraction) => progress?.(step, fraction), ...(signal === undefined ? {} : { signal }),
  });
  return target;
}

async function describe(machine: ImportedMachine, { folder }: ImportOptions): Promise<ImportedMachine> {
  const path = join(folder, `${machine.name}.json`);
  const text = `${JSON.stringify({ ...machine, disks: machine.disks.map((disk) => basename(disk)) }, undefined, 2)}\n`;
  await writeFile(path, text, { flag: 'wx' }).catch((error: unknown) => {
    if (existsSync(path)) throw new OperatingError('bad-input', `${path} is there already: give another --output`);
    throw systemError(`write ${path}`, error);
  });
  return machine;
}

function openArchive(path: string): Appliance {
  const archive = new HostFile(path, { readOnly: true });
  try {
    const files = new Map(readTarIndex(archive).map(({ name, offset, sizeBytes }) =>
      [name.replace(/^\.\//, ''), new SliceFile(archive, name, offset, sizeBytes)]));
    return { files, close: () => archive.closeSync() };
  } catch (error) {
    archive.closeSync();
    throw error;
  }
}

/** An OVF with its files in the same folder: of them those that it names are opened, and only those in that folder. */
function openBeside(path: string): Appliance {
  const files = new Map<string, BlockFile>();
  const close = (): void => {
    for (const file of files.values()) file.closeSync();
  };
  try {
    const description = new HostFile(path, { readOnly: true });
    files.set(basename(path), description);
    for (const name of parseOvf(textOf(description), path).diskFiles) {
      if (name !== basename(name)) throw badArchive(`${path} names ${JSON.stringify(name)}, outside its folder`);
      if (!files.has(name)) files.set(name, new HostFile(join(dirname(path), name), { readOnly: true }));
    }
    const manifest = path.replace(/\.ovf$/i, '.mf');
    if (existsSync(manifest)) files.set(basename(manifest), new HostFile(manifest, { readOnly: true }));
    return { files, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Lines of "SHA256(name)= digest" [DSP0243 7]. Only what is used of the appliance is read for it. */
function checkManifest(
  text: string, { files }: Appliance, machine: OvfMachine, { progress }: ImportOptions,
): void {
  const lines = text.matchAll(/^(SHA1|SHA256|SHA512)\s*\(([^)]*)\)\s*=\s*([0-9a-fA-F]+)/gm);
  for (const [, kind, name, digest] of lines) {
    const file = files.get(name!);
    const isUsed = machine.diskFiles.includes(name!) || name!.toLowerCase().endsWith('.ovf');
    if (file === undefined || !isUsed) continue;
    progress?.(`checking ${name}`);
    if (digestOf(file, kind!.toLowerCase()) === digest!.toLowerCase()) continue;
    throw badArchive(`${name} is not the file that the appliance's manifest knows: it was damaged or changed`);
  }
}

function digestOf(file: BlockFile, kind: string): string {
  const hash = createHash(kind);
  const buffer = new Uint8Array(READ_BYTES);
  for (let at = 0; at < file.sizeBytes; at += buffer.length) {
    const length = Math.min(buffer.length, file.sizeBytes - at);
    file.readSync(buffer, 0, length, at);
    hash.update(buffer.subarray(0, length));
  }
  return hash.digest('hex');
}

function textOf(file: BlockFile): string {
  if (file.sizeBytes > DESCRIPTION_BYTES_MAX) throw badArchive(`${file.name} is too large to be a description`);
  const bytes = new Uint8Array(file.sizeBytes);
  file.readSync(bytes, 0, bytes.length, 0);
  return Buffer.from(bytes).toString('utf8').replace(/^\ufeff/, '');
}

/** What a file can be called anywhere. */
function plainName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[-.]+/, '').slice(0, 60) || 'imported';
}
