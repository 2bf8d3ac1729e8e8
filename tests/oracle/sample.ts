/**
 * A sample under construction: the record being filled, the random numbers it is made from, and which general registers
 * already have to hold what they hold.
 */

import type { Form } from './form.ts';
import { Random } from './random.ts';
import {
  AFTER, CODE, CODE_SIZE, DATA, FLAGS, FS_BASE, FXSAVE, GS_BASE, READ_ONLY, RIP, type SampleRecord, UPPER_HALVES,
  UPPER_HALVES_SIZE, USER_CODE_32, USER_CODE_64, USER_DATA, windowOffset, WINDOWS, WINDOW_LIST,
} from './record.ts';
import { fill, integer, type ValueKind } from './values.ts';

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

const WINDOWS_SIZE = WINDOW_LIST.reduce((sum, { size }) => sum + size, 0);
const BACKGROUND_SIZE = 0x1_0000;

/** What memory holds where nothing else is put: random bytes, the same in every run. */
const BACKGROUND = (() => {
  const random = new Random('background');
  const bytes = new Uint8Array(BACKGROUND_SIZE);
  fill(random, new DataView(bytes.buffer), 0, BACKGROUND_SIZE, 'integer');
  return bytes;
})();

export class Sample {
  readonly form: Form;
  readonly random: Random;
  readonly record: SampleRecord;
  readonly mode: 32 | 64;
  readonly kind: ValueKind;
  /** Registers whose values must stay. */
  readonly fixed = new Set<number>();

  constructor(form: Form, random: Random, record: SampleRecord) {
    this.form = form;
    this.random = random;
    this.record = record;
    this.mode = form.modes.length === 1 ? form.modes[0] as 32 | 64 : random.once(4) ? 32 : 64;
    this.kind = kindOf(form, random);
    this.#fillGeneral();
    this.#fillFloating();
    const from = random.below((BACKGROUND_SIZE - WINDOWS_SIZE) / 8) * 8;
    record.bytes.set(BACKGROUND.subarray(from, from + WINDOWS_SIZE), WINDOWS);
  }

  is(...names: readonly string[]): boolean {
    return names.includes(this.form.row.name);
  }

  /** Gives a register the value that it has to keep. */
  fix(register: number, value: bigint): void {
    this.record.setGpr(register, value);
    this.fixed.add(register);
  }

  /** Writes little-endian `value` at a linear address, as far as windows hold it. */
  poke(address: bigint, value: bigint, size: number): void {
    for (let n = 0; n < size; n++) {
      const at = windowOffset(Number(address) + n);
      if (at !== undefined) this.record.bytes[at] = Number(value >> BigInt(n * 8)) & 0xff;
    }
  }

  /** Fills `size` bytes at a linear address with values of one kind, when a window holds them all. */
  pokeValues(address: bigint, size: number, kind: ValueKind): void {
    const at = windowOffset(Number(address));
    if (at === undefined || windowOffset(Number(address) + size - 1) !== at + size - 1) return;
    fill(this.random, this.record.view, at, size, kind);
  }

  #fillGeneral(): void {
    const { random, record } = this;
    for (let n = 0; n < 16; n++) record.setGpr(n, integer(random));
    if (!random.once(16) || this.is('CALL FAR')) this.fix(RSP, BigInt(this.#stackPointer()));
    let flags = 0x202 | (random.u32() & 0x2008d5 & ~0x100);
    if (random.once(8)) flags |= 0x400;
    if (random.once(40)) flags |= 0x4_0000;
    if (random.once(40)) flags |= 0x4000;
    record.view.setUint32(FLAGS, flags, true);
    record.view.setUint32(RIP, CODE + this.#codeOffset(), true);
    record.setSelector('ss', USER_DATA);
    if (this.mode === 32) {
      record.setSelector('cs', USER_CODE_32);
      for (const name of ['ds', 'es', 'fs', 'gs'] as const) record.setSelector(name, USER_DATA);
      for (let n = 0; n < 16; n++) record.setGpr(n, n < 8 ? BigInt.asUintN(32, record.gpr(n)) : 0n);
    } else {
      record.setSelector('cs', USER_CODE_64);
      for (const at of [FS_BASE, GS_BASE]) record.view.setBigUint64(at, this.#segmentBase(), true);
    }
  }

  /** Mostly where both directions are free, at times where pushes or pops run into pages that do not allow them. */
  #stackPointer(): number {
    const { random } = this;
    if (!random.once(8)) return DATA + 0xf00 + random.below(0x200);
    return random.pick([DATA, READ_ONLY, READ_ONLY - 24, AFTER - 24]) + random.below(24);
  }

  /** Mostly inside a page, at times where the instruction crosses into the next one, or into nothing. */
  #codeOffset(): number {
    const { random } = this;
    if (random.once(40)) return 0x1000 - random.between(1, 14);
    if (random.once(60)) return CODE_SIZE - random.between(1, 15);
    return random.between(0x100, 0x1f00);
  }

  #segmentBase(): bigint {
    switch (this.random.below(4)) {
      case 0: return 0n;
      case 1: return BigInt(DATA + this.random.below(0x2000));
      default: return this.random.u64() & 0x7fff_ffff_ffffn;
    }
  }

  #fillFloating(): void {
    const { random, record: { view } } = this;
    const { class: of } = this.form.row;
    const masks = random.once(8) ? random.below(64) : 0x3f;
    const precision = random.once(3) ? random.pick([0, 2, 3]) : 3;
    const control = masks | 0x40 | precision << 8 | (random.once(2) ? 0 : random.below(4)) << 10;
    let status = (random.once(3) ? random.u32() & masks : 0) | (random.below(16) & 7) << 8 | random.below(2) << 14
      | (random.once(2) ? 0 : random.below(8)) << 11;
    if (random.once(24)) status |= random.below(64);
    if ((status & ~control & 0x3f) !== 0) status |= 0x8080;
    view.setUint16(FXSAVE, control, true);
    view.setUint16(FXSAVE + 2, status, true);
    view.setUint8(FXSAVE + 4, random.once(4) ? random.below(256) : random.once(3) ? 0 : 0xff);
    const exceptions = random.once(10) ? random.below(64) : 0x3f;
    view.setUint32(FXSAVE + 24, (random.once(2) ? random.below(64) : 0) | (random.once(6) ? 0x40 : 0) | exceptions << 7
      | (random.once(2) ? 0 : random.below(4)) << 13 | (random.once(6) ? 0x8000 : 0), true);
    view.setUint32(FXSAVE + 28, 0xffff, true);
    for (let n = 0; n < 8; n++) {
      if (of === 'x87') fill(random, view, FXSAVE + 32 + n * 16, 10, 'extended');
      else fill(random, view, FXSAVE + 32 + n * 16, 8, this.kind);
    }
    if (of === 'x87') return;
    if (of === 'avx' || this.form.vex !== undefined) fill(random, view, UPPER_HALVES, UPPER_HALVES_SIZE, this.kind);
    for (let n = 0; n < 16; n++) {
      if (n > 0 && random.once(8)) this.record.bytes.copyWithin(FXSAVE + 160 + n * 16, FXSAVE + 160, FXSAVE + 176);
      else fill(random, view, FXSAVE + 160 + n * 16, 16, this.kind);
    }
  }
}

/** Which values the operands of a form are made of. */
function kindOf(form: Form, random: Random): ValueKind {
  const { class: of } = form.row;
  const name = of === 'avx' ? form.row.name.slice(1) : form.row.name;
  if (of === 'x87') return 'extended';
  if (of === 'integer' || of === 'system' || random.once(8)) return 'integer';
  if (/^(CVT|CVTT)(SI|DQ|PI)/.test(name) || name.startsWith('P')) return 'integer';
  if (/(SS2|PS2)|(PS|SS)$/.test(name)) return 'single';
  if (/(SD2|PD2)|(PD|SD)$/.test(name)) return 'double';
  return 'integer';
}
