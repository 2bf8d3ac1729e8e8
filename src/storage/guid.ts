/** GUIDs as text and as the 16 bytes in which Windows keeps them: three little-endian fields, then eight bytes. */

import { randomFillSync } from 'node:crypto';

/** Where the bytes of the text are in memory. */
const ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] as const;

export const NULL_GUID = '00000000-0000-0000-0000-000000000000';

export function guidText(bytes: Uint8Array): string {
  const hex = ORDER.map((index) => (bytes[index] ?? 0).toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** @param text 32 hexadecimal digits, with hyphens and braces anywhere. */
export function guidBytes(text: string): Uint8Array {
  const hex = text.replace(/[{}-]/g, '');
  const bytes = new Uint8Array(16);
  ORDER.forEach((index, at) => (bytes[index] = parseInt(hex.slice(2 * at, 2 * at + 2), 16)));
  return bytes;
}

/** Where identifiers come from. */
export type NewGuid = () => string;

/** A random one, of version 4 [RFC 9562]. */
export const randomGuid: NewGuid = () => {
  const bytes = randomFillSync(new Uint8Array(16));
  bytes[7] = ((bytes[7] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return guidText(bytes);
};
