/**
 * A value of a region under construction: a tree that is written as WebAssembly when it is used. What was `let` is
 * written once, when it is first used, and kept in a local.
 */

import type { CodeBuffer } from './code-buffer.ts';
import {
  CALL, I32_AND, I32_EQZ, I32_WRAP, I64_ADD, I64_AND, I64_EQZ, I64_EXTEND_I32_U, I64_MUL, I64_NE, I64_OR, I64_SHL,
  I64_SHR_S, I64_SHR_U, I64_SUB, I64_XOR, LOCAL_GET, LOCAL_TEE, SELECT,
} from './opcodes.ts';

interface Common {
  /** The value is below 2 to the power of it. */
  readonly bits: number;
  /** It is an i32 on WebAssembly's stack, else an i64. */
  readonly narrow: boolean;
}

export type Value = Common & (
  | { readonly kind: 'constant'; readonly low: number; readonly high: number }
  | { readonly kind: 'local'; readonly local: number }
  | { readonly kind: 'unary'; readonly opcode: number; readonly a: Value }
  | { readonly kind: 'binary'; readonly opcode: number; readonly a: Value; readonly b: Value }
  /** A comparison of the lower 32 bits. */
  | { readonly kind: 'compare32'; readonly opcode: number; readonly a: Value; readonly b: Value }
  | { readonly kind: 'select'; readonly condition: Value; readonly a: Value; readonly b: Value }
  | { readonly kind: 'call'; readonly callee: number; readonly a: Value; readonly b: Value }
  | { readonly kind: 'shared'; readonly inner: Value; local: number });

/** All have the same properties in the same order: V8 reads objects that look alike several times faster. */
interface Node {
  readonly kind: Value['kind'];
  bits: number;
  narrow: boolean;
  opcode: number;
  a: Value | undefined;
  b: Value | undefined;
  condition: Value | undefined;
  inner: Value | undefined;
  low: number;
  high: number;
  local: number;
  callee: number;
}

function nodeOf(kind: Value['kind'], bits: number, narrow: boolean): Node {
  return {
    kind, bits, narrow, opcode: 0, a: undefined, b: undefined, condition: undefined, inner: undefined, low: 0, high: 0,
    local: -1, callee: 0,
  };
}

export function constantOf(low: number, high: number): Value {
  const bits = high === 0 ? 32 - Math.clz32(low) : high < 0 ? 64 : 64 - Math.clz32(high);
  const node = nodeOf('constant', bits, false);
  node.low = low | 0;
  node.high = high | 0;
  return node as Value;
}

export function smallConstant(value: number): Value {
  return constantOf(value | 0, Math.floor(value / 0x1_0000_0000));
}

export function localOf(local: number, bits = 64, narrow = false): Value {
  const node = nodeOf('local', bits, narrow);
  node.local = local;
  return node as Value;
}

function operationOf(kind: 'unary' | 'binary' | 'compare32', opcode: number, a: Value, b?: Value): Node {
  const node = nodeOf(kind, 64, false);
  node.opcode = opcode;
  node.a = a;
  node.b = b;
  return node;
}

/** `a` when the condition is not 0, else `b`. */
export function selectOf(condition: Value, a: Value, b: Value): Value {
  const node = nodeOf('select', Math.max(a.bits, b.bits), false);
  node.condition = condition;
  node.a = a;
  node.b = b;
  return node as Value;
}

export function callOf(callee: number, a: Value, b: Value): Value {
  const node = nodeOf('call', 64, false);
  node.callee = callee;
  node.a = a;
  node.b = b;
  return node as Value;
}

/** A value that is used several times. */
export function sharedOf(inner: Value): Value {
  const node = nodeOf('shared', inner.bits, inner.narrow);
  node.inner = inner;
  return node as Value;
}

export function unaryOf(opcode: number, a: Value, bits = 64, narrow = false): Value {
  const node = operationOf('unary', opcode, a);
  node.bits = bits;
  node.narrow = narrow;
  return node as Value;
}

function fold(opcode: number, a: number, b: number): Value | undefined {
  switch (opcode) {
    case I64_ADD: return smallConstant(a + b);
    case I64_SUB: return smallConstant(a - b);
    case I64_AND: return constantOf(a & b, (a & b) >> 31);
    case I64_SHR_U: return a < 0 || b > 31 ? undefined : smallConstant(a >>> b);
    default: return undefined;
  }
}

/** The value as a number when it is a constant that fits 32 signed bits. */
export function small(value: Value): number | undefined {
  return value.kind === 'constant' && value.high === value.low >> 31 ? value.low : undefined;
}

function bitsOf(opcode: number, a: Value, b: Value): number {
  const right = small(b);
  switch (opcode) {
    case I64_AND: return Math.min(a.bits, b.bits);
    case I64_OR: case I64_XOR: return Math.max(a.bits, b.bits);
    case I64_ADD: return Math.min(64, Math.max(a.bits, b.bits) + 1);
    case I64_MUL: return Math.min(64, a.bits + b.bits);
    case I64_SHL: return right === undefined ? 64 : Math.min(64, a.bits + (right & 63));
    case I64_SHR_U: return right === undefined ? a.bits : Math.max(0, a.bits - (right & 63));
    default: return 64;
  }
}

export function binaryOf(opcode: number, a: Value, b: Value): Value {
  const left = small(a);
  const right = small(b);
  if (left !== undefined && right !== undefined) {
    const folded = fold(opcode, left, right);
    if (folded) return folded;
  }
  const neutral = opcode === I64_ADD || opcode === I64_SUB || opcode === I64_OR || opcode === I64_XOR
    || opcode === I64_SHL || opcode === I64_SHR_U || opcode === I64_SHR_S;
  if (right === 0 && neutral) return a;
  if (left === 0 && (opcode === I64_ADD || opcode === I64_OR || opcode === I64_XOR)) return b;
  if (opcode === I64_AND && right !== undefined && right > 0 && ((right + 1) & right) === 0
    && a.bits <= 32 - Math.clz32(right)) return a;
  const node = operationOf('binary', opcode, a, b);
  node.bits = bitsOf(opcode, a, b);
  node.narrow = a.narrow && b.narrow && isLogic(opcode);
  return node as Value;
}

function isLogic(opcode: number): boolean {
  return opcode === I64_AND || opcode === I64_OR || opcode === I64_XOR;
}

/** 1 for 0 and 0 for 1. */
export function not(value: Value): Value {
  return value.narrow ? unaryOf(I64_EQZ, value, 1, true) : binaryOf(I64_XOR, value, smallConstant(1));
}

function truthOf(kind: 'binary' | 'compare32', opcode: number, a: Value, b: Value): Value {
  const node = operationOf(kind, opcode, a, b);
  node.bits = 1;
  node.narrow = true;
  return node as Value;
}

/** 1 or 0. */
export function comparison(opcode: number, a: Value, b: Value): Value {
  return truthOf('binary', opcode, a, b);
}

/** 1 or 0, of the lower 32 bits. */
export function comparison32(opcode: number, a: Value, b: Value): Value {
  return truthOf('compare32', opcode, a, b);
}

/** Writes values; `newLocal` gives a local for a value that is used again. */
export class ValueWriter {
  readonly #code: CodeBuffer;
  readonly #newLocal: (narrow: boolean) => number;

  constructor(code: CodeBuffer, newLocal: (narrow: boolean) => number) {
    this.#code = code;
    this.#newLocal = newLocal;
  }

  /** Leaves an i64 on the stack. */
  wide(value: Value): void {
    this.#write(value);
    if (value.narrow) this.#code.byte(I64_EXTEND_I32_U);
  }

  /** Leaves an i32 that is not 0 when the value is not 0. */
  condition(value: Value): void {
    this.#write(value);
    if (value.narrow) return;
    this.#code.constant64(0, 0);
    this.#code.byte(I64_NE);
  }

  /** Leaves the lower 32 bits as an i32. */
  #lower(value: Value): void {
    const number = value.kind === 'constant' ? value.low : undefined;
    if (number !== undefined) return this.#code.constant32(number);
    this.#write(value);
    if (!value.narrow) this.#code.byte(I32_WRAP);
  }

  #write(value: Value): void {
    const code = this.#code;
    switch (value.kind) {
      case 'constant':
        code.constant64(value.low, value.high);
        return;
      case 'local':
        code.byte(LOCAL_GET);
        code.unsigned(value.local);
        return;
      case 'unary':
        if (value.a.narrow && value.opcode === I64_EQZ) {
          this.#write(value.a);
          code.byte(I32_EQZ);
          return;
        }
        this.wide(value.a);
        code.byte(value.opcode);
        return;
      case 'compare32':
        this.#lower(value.a);
        this.#lower(value.b);
        code.byte(value.opcode);
        return;
      case 'binary':
        if (value.narrow && isLogic(value.opcode)) {
          this.#write(value.a);
          this.#write(value.b);
          code.byte(value.opcode - I64_AND + I32_AND);
          return;
        }
        this.wide(value.a);
        this.wide(value.b);
        code.byte(value.opcode);
        return;
      case 'select':
        this.wide(value.a);
        this.wide(value.b);
        this.condition(value.condition);
        code.byte(SELECT);
        return;
      case 'call':
        this.wide(value.a);
        this.wide(value.b);
        code.byte(CALL);
        code.unsigned(value.callee);
        return;
      case 'shared':
        this.#writeShared(value);
    }
  }

  #writeShared(value: Value & { kind: 'shared' }): void {
    if (value.local >= 0) this.#code.byte(LOCAL_GET);
    else {
      value.local = this.#newLocal(value.narrow);
      this.#write(value.inner);
      this.#code.byte(LOCAL_TEE);
    }
    this.#code.unsigned(value.local);
  }
}
