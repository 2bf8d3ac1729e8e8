/**
 * The `ar` archive that a .deb is (deb(5), ar(5)): an 8-byte magic, then members of a 60-byte text header and data
 * padded to even. GNU long names do not occur in packages; they are neither read nor written.
 */

import { badArchive } from './bad-archive.ts';

const MAGIC = '!<arch>\n';
const HEADER_BYTES = 60;
const HEADER_END = '`\n';

export interface ArMember {
  readonly name: string;
  readonly data: Uint8Array;
}

/** The members in order, their data as views of the archive. Throws an OperatingError for anything malformed. */
export function readAr(archive: Uint8Array): ArMember[] {
  const text = (start: number, end: number): string => Buffer.from(archive.subarray(start, end)).toString('latin1');
  if (text(0, MAGIC.length) !== MAGIC) throw badArchive('this is no ar archive: it does not begin with "!<arch>"');
  const members: ArMember[] = [];
  let offset = MAGIC.length;
  while (offset < archive.length) {
    if (offset + HEADER_BYTES > archive.length) throw badArchive('the ar archive ends within a member header');
    const sizeText = text(offset + 48, offset + 58).trimEnd();
    if (text(offset + 58, offset + 60) !== HEADER_END || !/^\d{1,10}$/.test(sizeText)) {
      throw badArchive(`the ar archive has no valid member header at byte ${offset}`);
    }
    const name = text(offset, offset + 16).trimEnd().replace(/\/$/, '');
    const start = offset + HEADER_BYTES;
    const end = start + Number(sizeText);
    if (end > archive.length) throw badArchive(`the ar archive ends within its member "${name}"`);
    members.push({ name, data: archive.subarray(start, end) });
    offset = end + (end & 1);
  }
  return members;
}

/** An archive of members whose names are short (ar(5)); readable by whoever reads packages. */
export function writeAr(members: readonly ArMember[]): Uint8Array {
  const pieces: Uint8Array[] = [Buffer.from(MAGIC, 'latin1')];
  for (const { name, data } of members) {
    const fields = [name.padEnd(16), '0'.padEnd(12), '0'.padEnd(6), '0'.padEnd(6), '100644'.padEnd(8)];
    pieces.push(Buffer.from(`${fields.join('')}${String(data.length).padEnd(10)}${HEADER_END}`, 'latin1'), data);
    if (data.length % 2 !== 0) pieces.push(Buffer.from('\n'));
  }
  return Buffer.concat(pieces);
}
