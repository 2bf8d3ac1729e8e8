/**
 * Binary layouts, declared once. A struct is a frozen object of fields in wire order; each field knows its offset and
 * reads or writes itself in place, at a base offset of a view, without allocating:
 *
 *     const Header = struct('header', 8, { type: u16, length: u16, id: u32 });
 *     Header.length.get(view, base);
 *
 * Offsets follow from the order alone: there is no implicit padding, and the declared size is checked when the module
 * loads. `decode` and `encode` make and take objects, for cold paths and logs. Endianness belongs to the codec
 * (`u16` is little-endian, `u16be` is not). Values of 64 bits are two words (`…Low`, `…High`) or, where they are known
 * to fit a double, `u53`.
 */

export interface Codec<T> {
  readonly size: number;
  get(view: DataView, at: number): T;
  set(view: DataView, at: number, value: T): void;
}

export interface Field<T> extends Codec<T> {
  readonly offset: number;
}

// `any` is the one way to say "a codec of whatever type" to a mapped type that is inferred from it.
// oxlint-disable-next-line no-explicit-any
type AnyCodec = Codec<any>;

export type Struct<F extends Record<string, AnyCodec>> = {
  readonly [K in keyof F]: F[K] extends Codec<infer T> ? Field<T> : never;
} & {
  readonly $name: string;
  readonly $size: number;
  decode(view: DataView, base: number): Values<F>;
  encode(view: DataView, base: number, values: Partial<Values<F>>): void;
};

type Values<F> = { [K in keyof F]: F[K] extends Codec<infer T> ? T : never };

/** The value type of a struct, for cold paths. */
export type Of<S> = S extends Struct<infer F> ? Values<F> : never;

export const u8: Codec<number> = {
  size: 1, get: (v, o) => v.getUint8(o), set: (v, o, x) => v.setUint8(o, x),
};
export const u16: Codec<number> = {
  size: 2, get: (v, o) => v.getUint16(o, true), set: (v, o, x) => v.setUint16(o, x, true),
};
export const u32: Codec<number> = {
  size: 4, get: (v, o) => v.getUint32(o, true), set: (v, o, x) => v.setUint32(o, x, true),
};
export const s32: Codec<number> = {
  size: 4, get: (v, o) => v.getInt32(o, true), set: (v, o, x) => v.setInt32(o, x, true),
};
export const u16be: Codec<number> = {
  size: 2, get: (v, o) => v.getUint16(o), set: (v, o, x) => v.setUint16(o, x),
};
export const u32be: Codec<number> = {
  size: 4, get: (v, o) => v.getUint32(o), set: (v, o, x) => v.setUint32(o, x),
};

/** A 64-bit unsigned value that is known to be a safe integer; writing more than 2^53 - 1 loses bits. */
export const u53: Codec<number> = {
  size: 8,
  get: (v, o) => v.getUint32(o + 4, true) * 0x1_0000_0000 + v.getUint32(o, true),
  set: (v, o, x) => {
    v.setUint32(o, x >>> 0, true);
    v.setUint32(o + 4, Math.floor(x / 0x1_0000_0000) >>> 0, true);
  },
};

/** The same, big-endian. */
export const u53be: Codec<number> = {
  size: 8,
  get: (v, o) => v.getUint32(o) * 0x1_0000_0000 + v.getUint32(o + 4),
  set: (v, o, x) => {
    v.setUint32(o, Math.floor(x / 0x1_0000_0000) >>> 0);
    v.setUint32(o + 4, x >>> 0);
  },
};

/** `size` bytes as they are; `get` returns a copy. */
export function bytes(size: number): Codec<Uint8Array> {
  return {
    size,
    get: (v, o) => new Uint8Array(v.buffer, v.byteOffset + o, size).slice(),
    set: (v, o, x) => {
      const target = new Uint8Array(v.buffer, v.byteOffset + o, size);
      target.fill(0);
      target.set(x.subarray(0, size));
    },
  };
}

/** ASCII text of a fixed size, padded with `pad` (a NUL unless told). */
export function ascii(size: number, pad = '\0'): Codec<string> {
  return {
    size,
    get: (v, o) => {
      let text = '';
      for (let i = 0; i < size; i++) text += String.fromCharCode(v.getUint8(o + i));
      let end = text.length;
      while (end > 0 && text[end - 1] === pad) end--;
      return text.slice(0, end);
    },
    set: (v, o, x) => {
      for (let i = 0; i < size; i++) v.setUint8(o + i, (i < x.length ? x : pad).charCodeAt(i < x.length ? i : 0));
    },
  };
}

/**
 * Declares a struct of exactly `size` bytes.
 * @throws Error when the fields do not add up to `size`.
 */
export function struct<const F extends Record<string, AnyCodec>>(name: string, size: number, fields: F): Struct<F> {
  const made: Record<string, unknown> = {};
  const names = Object.keys(fields);
  let offset = 0;
  for (const key of names) {
    const codec = fields[key] as AnyCodec;
    const at = offset;
    made[key] = Object.freeze({
      offset: at,
      size: codec.size,
      get: (view: DataView, base: number) => codec.get(view, base + at),
      set: (view: DataView, base: number, value: unknown) => codec.set(view, base + at, value),
    });
    offset += codec.size;
  }
  if (offset !== size) throw new Error(`struct ${name}: fields take ${offset} bytes, ${size} were declared`);
  made['$name'] = name;
  made['$size'] = size;
  made['decode'] = (view: DataView, base: number) =>
    Object.fromEntries(names.map((key) => [key, (made[key] as Field<unknown>).get(view, base)]));
  made['encode'] = (view: DataView, base: number, values: Record<string, unknown>) => {
    for (const key of names) if (values[key] !== undefined) (made[key] as Field<unknown>).set(view, base, values[key]);
  };
  return Object.freeze(made) as unknown as Struct<F>;
}
