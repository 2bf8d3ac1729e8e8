/** A Debian binary package (deb(5)): an ar archive of `debian-binary`, `control.tar.*` and `data.tar.*`. */

import { readAr, writeAr } from './ar.ts';
import type { ArchiveEntry } from './archive-entry.ts';
import { badArchive } from './bad-archive.ts';
import { decompress } from './compression.ts';
import { type Stanza, parseStanzas } from './deb822.ts';
import { readTar } from './tar.ts';

const MAX_CONTROL_BYTES = 16 * 2 ** 20;
const MAX_DATA_BYTES = 2 ** 31;

export interface DebianPackage {
  /** The control file as it is, and read. */
  readonly controlText: string;
  readonly control: Stanza;
  /** The other control files by name: maintainer scripts, conffiles, triggers. */
  readonly controlFiles: ReadonlyMap<string, Uint8Array>;
  /** What the package installs; file data are views of one buffer. */
  files(): Iterable<ArchiveEntry>;
}

/** @param name names the package file in an error. */
export async function readDeb(file: Uint8Array, name: string): Promise<DebianPackage> {
  const members = readAr(file);
  if (members[0]?.name !== 'debian-binary' || !/^2\.\d+\n/.test(Buffer.from(members[0].data).toString('latin1'))) {
    throw badArchive(`${name} is no Debian package of format 2`);
  }
  const open = async (prefix: string, maxBytes: number): Promise<Uint8Array> => {
    const member = members.find((each) => each.name === prefix || each.name.startsWith(`${prefix}.`));
    if (member === undefined) throw badArchive(`${name} is no Debian package: it has no ${prefix}`);
    return await decompress(member.data, maxBytes, `${member.name} of ${name}`);
  };
  const controlFiles = new Map<string, Uint8Array>();
  for (const entry of readTar(await open('control.tar', MAX_CONTROL_BYTES))) {
    if (entry.kind === 'file') controlFiles.set(entry.path.replace(/^\.\//, ''), entry.data);
  }
  const controlText = Buffer.from(controlFiles.get('control') ?? []).toString('utf8');
  controlFiles.delete('control');
  const control = parseStanzas(controlText)[0];
  if (control === undefined) throw badArchive(`${name} is no Debian package: it has no control file`);
  const data = await open('data.tar', MAX_DATA_BYTES);
  return {
    controlText: controlText.trimEnd(),
    control,
    controlFiles,
    files: () => readTar(data),
  };
}

/** The same package with its files not compressed: a guest without hardware virtualisation unpacks it much faster. */
export async function uncompressedDeb(file: Uint8Array, name: string): Promise<Uint8Array> {
  const members = readAr(file);
  return writeAr(await Promise.all(members.map(async (member) => {
    if (!member.name.startsWith('data.tar.')) return member;
    return { name: 'data.tar', data: await decompress(member.data, MAX_DATA_BYTES, `${member.name} of ${name}`) };
  })));
}
