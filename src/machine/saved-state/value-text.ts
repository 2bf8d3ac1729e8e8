/**
 * Values as text: JSON, in which bytes are `{"$bytes": base64}` and whole numbers of 64 bits `{"$u64": hexadecimal}`.
 * A state can be read by people, and does not depend on a version of Node.
 */

const BYTES = '$bytes';
const U64 = '$u64';
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const HEXADECIMAL = /^[0-9a-f]{1,16}$/;

export function toText(value: object): string {
  return JSON.stringify(value, (_key, each: unknown) => {
    if (typeof each === 'bigint') return { [U64]: BigInt.asUintN(64, each).toString(16) };
    if (each instanceof Uint8Array) {
      return { [BYTES]: Buffer.from(each.buffer, each.byteOffset, each.length).toString('base64') };
    }
    return each;
  });
}

/** @throws SyntaxError for what is no such text. */
export function fromText(text: string): unknown {
  return JSON.parse(text, (_key, each: unknown) => {
    if (typeof each !== 'object' || each === null) return each;
    const { [BYTES]: bytes, [U64]: word } = each as Readonly<Record<string, unknown>>;
    if (bytes !== undefined) return bytesOf(bytes);
    return word === undefined ? each : wordOf(word);
  });
}

function bytesOf(text: unknown): Uint8Array {
  if (typeof text !== 'string' || !BASE64.test(text)) throw new SyntaxError(`${BYTES} is no base64`);
  return new Uint8Array(Buffer.from(text, 'base64'));
}

function wordOf(text: unknown): bigint {
  if (typeof text !== 'string' || !HEXADECIMAL.test(text)) throw new SyntaxError(`${U64} is not hexadecimal`);
  return BigInt(`0x${text}`);
}
