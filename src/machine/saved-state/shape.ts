/** Shapes of values that were read from a file: what is not of its shape is found before anybody uses it. */

/** Throws a BadShape when the value is not of the shape; `at` says where in the whole it is. */
export type Shape = (value: unknown, at: string) => void;

export class BadShape extends Error {
  constructor(at: string, expected: string) {
    super(`${at} is not ${expected}`);
    this.name = 'BadShape';
  }
}

/** Any finite number. */
export const number: Shape = (value, at) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new BadShape(at, 'a number');
};

export const flag: Shape = (value, at) => {
  if (typeof value !== 'boolean') throw new BadShape(at, 'true or false');
};

/** Of 64 bits. */
export const word: Shape = (value, at) => {
  if (typeof value !== 'bigint') throw new BadShape(at, 'a number of 64 bits');
};

export function integer(minimum: number, maximum: number): Shape {
  return (value, at) => {
    if (!Number.isInteger(value) || (value as number) < minimum || (value as number) > maximum) {
      throw new BadShape(at, `a whole number from ${minimum} to ${maximum}`);
    }
  };
}

/** Of 32 bits, signed or not. */
export const int32: Shape = integer(-(2 ** 31), 2 ** 32 - 1);
export const u32: Shape = integer(0, 2 ** 32 - 1);
export const count: Shape = integer(0, Number.MAX_SAFE_INTEGER);

export function text(maximum: number): Shape {
  return (value, at) => {
    if (typeof value !== 'string' || value.length > maximum) throw new BadShape(at, `text of up to ${maximum} letters`);
  };
}

export function matching(pattern: RegExp): Shape {
  return (value, at) => {
    if (typeof value !== 'string' || !pattern.test(value)) throw new BadShape(at, `text like ${pattern.source}`);
  };
}

export function oneOf(...values: readonly unknown[]): Shape {
  return (value, at) => {
    if (!values.includes(value)) throw new BadShape(at, `one of ${values.join(', ')}`);
  };
}

export function bytes(minimum: number, maximum: number): Shape {
  return (value, at) => {
    if (!(value instanceof Uint8Array) || value.length < minimum || value.length > maximum) {
      throw new BadShape(at, `${minimum} to ${maximum} bytes`);
    }
  };
}

export function list(shape: Shape, minimum: number, maximum: number): Shape {
  return (value, at) => {
    if (!Array.isArray(value) || value.length < minimum || value.length > maximum) {
      throw new BadShape(at, `a list of ${minimum} to ${maximum}`);
    }
    value.forEach((each: unknown, index) => shape(each, `${at}[${index}]`));
  };
}

export function optional(shape: Shape): Shape {
  return (value, at) => {
    if (value !== undefined) shape(value, at);
  };
}

/** Members that are not named are left alone. */
export function record(members: Readonly<Record<string, Shape>>): Shape {
  return (value, at) => {
    if (typeof value !== 'object' || value === null) throw new BadShape(at, 'a record');
    for (const [name, shape] of Object.entries(members)) {
      shape((value as Readonly<Record<string, unknown>>)[name], at === '' ? name : `${at}.${name}`);
    }
  };
}

/** Several shapes at once. */
export function all(...shapes: readonly Shape[]): Shape {
  return (value, at) => {
    for (const shape of shapes) shape(value, at);
  };
}
