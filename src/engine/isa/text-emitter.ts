/** The emitter that writes AssemblyScript: values are expressions of type u64, statements are lines. */

import { borrowsOf, carriesOf, type Emitter, type Size } from './semantics.ts';

const suffix = (size: Size): string => `<u64>load<u${size}>`;

export class TextEmitter implements Emitter<string> {
  readonly lines: string[] = [];
  readonly #flags: string[];
  #names = 0;
  readonly #size: Size;
  readonly #write: (value: string) => string;
  readonly #inRegister: boolean;

  /**
   * `write` says how a value gets into the destination, `inRegister` that it is one. `flags` takes the lines that set
   * flags, when they are wanted apart.
   */
  constructor(size: Size, write: (value: string) => string, inRegister: boolean, flags?: string[]) {
    this.#flags = flags ?? this.lines;
    this.#size = size;
    this.#write = write;
    this.#inRegister = inRegister;
  }

  constant(value: number): string {
    return value < 0 ? `<u64>(${value})` : `<u64>${value}`;
  }
  add(a: string, b: string): string { return `(${a} + ${b})`; }
  sub(a: string, b: string): string { return `(${a} - ${b})`; }
  mul(a: string, b: string): string { return `(${a} * ${b})`; }
  and(a: string, b: string): string { return `(${a} & ${b})`; }
  or(a: string, b: string): string { return `(${a} | ${b})`; }
  xor(a: string, b: string): string { return `(${a} ^ ${b})`; }
  shiftLeft(a: string, b: string): string { return `(${a} << ${b})`; }
  shiftRight(a: string, b: string): string { return `(${a} >> ${b})`; }
  shiftRightSigned(a: string, b: string): string { return `<u64>(<i64>${a} >> <i64>${b})`; }
  select(condition: string, a: string, b: string): string { return `(${condition} != 0 ? ${a} : ${b})`; }
  equal(a: string, b: string): string { return `<u64>u32(${a} == ${b})`; }
  mulHighSigned(a: string, b: string): string { return `multiplyHighSigned(${a}, ${b})`; }
  swapBytes(a: string, size: Size): string {
    if (size === 64) return `bswap<u64>(${a})`;
    return size === 32 ? `<u64>bswap<u32>(<u32>${a})` : '<u64>0'; // of 16 bits: undefined, processors give 0
  }
  trailingZeros(a: string): string { return `ctz<u64>(${a})`; }
  leadingZeros(a: string): string { return `clz<u64>(${a})`; }
  signed(a: string, size: Size): string { return size === 64 ? a : `<u64><i64><i${size}>${a}`; }
  unsigned(a: string, size: Size): string {
    if (size === 64) return a;
    return `(${a} & 0x${(2 ** size - 1).toString(16)})`;
  }
  let(a: string): string {
    const name = `v${this.#names++}`;
    this.lines.push(`const ${name}: u64 = ${a};`);
    return name;
  }
  flag(): string { return '<u64>carry(c)'; }
  condition(code: number): string { return `<u64>(${conditionText(code)})`; }
  setSumFlags(a: string, b: string, sum: string, size: Size): void {
    this.setFlags(sum, carriesOf(this, a, b, sum), size);
  }
  setDifferenceFlags(a: string, b: string, difference: string, size: Size): void {
    this.setFlags(difference, borrowsOf(this, a, b, difference), size);
  }
  setFlags(result: string, carries: string, size: Size): void {
    this.#result(result, size);
    this.#auxiliary(`(<u32>${carries} & 8) | ((<u32>(${carries} >> ${size - 2}) & 3) << 30)`);
  }
  setLogicFlags(result: string, size: Size): void {
    this.#result(result, size);
    this.#auxiliary('0');
  }
  setFlagsKeepCarry(result: string, carries: string, size: Size): void {
    const kept = `c${this.#names++}`;
    this.#flags.push(`const ${kept}: u32 = carry(c);`);
    this.#result(result, size);
    const overflow = `((<u32>(${carries} >> ${size - 1}) ^ <u32>(${carries} >> ${size - 2})) & 1)`;
    this.#auxiliary(`(<u32>${carries} & 8) | (${kept} << 31) | ((${kept} ^ ${overflow}) << 30)`);
  }
  setShiftFlags(result: string, carry: string, overflow: string, size: Size): void {
    this.#result(result, size);
    this.#auxiliary(`(<u32>${carry} << 31) | (<u32>(${carry} ^ ${overflow}) << 30)`);
  }
  setCarryOverflow(carry: string, overflow: string): void {
    this.#auxiliary(
      `(load<u32>(c + FLAGS_AUX) & 0x3fffffff) | (<u32>${carry} << 31) | (<u32>(${carry} ^ ${overflow}) << 30)`);
  }
  setCarry(carry: string): void {
    const overflow = `o${this.#names++}`;
    const value = this.let(carry);
    this.lines.push(`const ${overflow}: u32 = overflow(c);`);
    this.#auxiliary(
      `(load<u32>(c + FLAGS_AUX) & 0x3fffffff) | (<u32>${value} << 31) | ((<u32>${value} ^ ${overflow}) << 30)`);
  }
  when(condition: string, body: () => void): void {
    this.lines.push(`if (${condition} != 0) {`);
    body();
    this.lines.push('}');
  }
  whenShifted(count: string, value: string, body: () => void): void {
    this.when(count, body);
    if (this.#inRegister && this.#size === 32) this.lines.push(`else ${this.#write(value)}`);
  }
  write(value: string): void { this.lines.push(this.#write(value)); }

  #result(value: string, size: Size): void {
    this.#flags.push(`store<i64>(c + FLAGS_RESULT, <i64>${size === 64 ? value : `<i${size}>${value}`});`);
  }
  #auxiliary(value: string): void {
    this.#flags.push(`store<u32>(c + FLAGS_AUX, ${value});`);
  }

  /** The operand size. */
  get size(): Size { return this.#size; }
}

/** A condition code (0…15) as an expression of type u32, 1 or 0. */
export function conditionText(code: number): string {
  const positive = [
    'overflow(c)', 'carry(c)', 'zero(c)', '(carry(c) | zero(c))', 'sign(c)', 'parity(c)', '(sign(c) ^ overflow(c))',
    '(zero(c) | (sign(c) ^ overflow(c)))',
  ][code >> 1] as string;
  return code & 1 ? `(${positive} ^ 1)` : positive;
}

/** Reads the register at the offset that a record field holds. */
export function readRegister(field: string, size: Size): string {
  return `${suffix(size)}(c + load<u16>(u, ${field}))`;
}

/** Writes it; 32-bit results clear the upper half. */
export function writeRegister(field: string, size: Size, value: string): string {
  if (size === 32) return `store<u64>(c + load<u16>(u, ${field}), ${value} & 0xffffffff);`;
  return `store<u${size}>(c + load<u16>(u, ${field}), <u${size}>${value});`;
}
