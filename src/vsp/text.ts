/**
 * Text of integration services: UTF-16 in fields of a fixed size, ended by NUL; and lists in it, parted by semicolons.
 */

/** The bytes of a text with its NUL; undefined when they don't fit. */
export function utf16(text: string, maxBytes: number): Uint8Array | undefined {
  const bytes = Buffer.from(`${text}\0`, 'utf16le');
  return bytes.length <= maxBytes ? bytes : undefined;
}

/** The text up to its NUL, or to the end. */
export function textOf(bytes: Uint8Array): string {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length & ~1).toString('utf16le');
  const end = whole.indexOf('\0');
  return end < 0 ? whole : whole.slice(0, end);
}

export function listOf(bytes: Uint8Array): string[] {
  return textOf(bytes).split(';').filter((item) => item !== '');
}
