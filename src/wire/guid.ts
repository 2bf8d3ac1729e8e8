/**
 * GUIDs: 16 bytes whose first three fields are little-endian and whose last eight bytes are as they are written
 * [RFC 4122, Microsoft's mixed-endian form]. In our program a GUID is its lower-case text.
 */
import type { Codec } from './struct.ts';

export type Guid = string;

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Which byte of the wire form each pair of digits comes from, and the dashes between. */
const ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
const DASH_BEFORE = new Set([4, 6, 8, 10]);
const HEX = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'));

export const NULL_GUID: Guid = '00000000-0000-0000-0000-000000000000';

export function isGuid(text: string): boolean {
  return FORM.test(text);
}

/** A field that holds a GUID. */
export const guid: Codec<Guid> = {
  size: 16,
  get(view, at) {
    let text = '';
    for (let i = 0; i < 16; i++) {
      if (DASH_BEFORE.has(i)) text += '-';
      text += HEX[view.getUint8(at + (ORDER[i] as number))];
    }
    return text;
  },
  set(view, at, value) {
    if (!FORM.test(value)) throw new Error(`${value} is no GUID in lower-case text`);
    const digits = value.replaceAll('-', '');
    for (let i = 0; i < 16; i++) {
      view.setUint8(at + (ORDER[i] as number), Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16));
    }
  },
};
