/** A WebAssembly module of regions [WebAssembly Core Specification 2.0, section 5.5]: imports, one function each. */

import { CodeBuffer } from './code-buffer.ts';
import { TYPE_I32, TYPE_I64 } from './opcodes.ts';

const FUNCTION = 0x60;
const [TYPES, IMPORTS, FUNCTIONS, EXPORTS, CODE] = [1, 2, 3, 7, 10] as const;

/** Functions of the core that a region may call, in the order of the CALL_ numbers: name and type. */
export const IMPORTED = [['lazyCondition', 1], ['lazyResult', 2], ['lazyAux', 3], ['multiplyHighSigned', 4],
  ['reach', 5], ['step', 6]] as const;

const SIGNATURES: readonly (readonly [parameters: readonly number[], results: readonly number[]])[] = [
  [[], [TYPE_I32]],
  [[TYPE_I32, TYPE_I32, TYPE_I64, TYPE_I64], [TYPE_I32]],
  [[TYPE_I32, TYPE_I64, TYPE_I64], [TYPE_I64]],
  [[TYPE_I32, TYPE_I64, TYPE_I64], [TYPE_I32]],
  [[TYPE_I64, TYPE_I64], [TYPE_I64]],
  [[TYPE_I64, TYPE_I32, TYPE_I32], [TYPE_I32]],
  [[TYPE_I32], [TYPE_I32]],
];

/** Writes modules, always in the same two buffers. */
export class ModuleWriter {
  readonly #module = new CodeBuffer();
  readonly #body = new CodeBuffer();

  #section(id: number, write: (body: CodeBuffer) => void): void {
    this.#body.clear();
    write(this.#body);
    this.#module.byte(id);
    this.#module.unsigned(this.#body.length);
    this.#module.append(this.#body.bytes);
  }

  /**
   * The module whose exports `0`, `1` … are the functions with these bodies; valid until the next one. `pages`: the
   * memory's size, fixed.
   */
  write(bodies: readonly Uint8Array[], pages: number): Uint8Array {
    this.#module.clear();
    for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) this.#module.byte(byte);
    this.#section(TYPES, writeTypes);
    this.#section(IMPORTS, (body) => writeImports(body, pages));
    this.#section(FUNCTIONS, (body) => {
      body.unsigned(bodies.length);
      for (let n = 0; n < bodies.length; n++) body.unsigned(0);
    });
    this.#section(EXPORTS, (body) => {
      body.unsigned(bodies.length);
      for (let n = 0; n < bodies.length; n++) {
        body.text(String(n));
        body.byte(0);
        body.unsigned(IMPORTED.length + n);
      }
    });
    this.#section(CODE, (body) => {
      body.unsigned(bodies.length);
      for (const bytes of bodies) {
        body.unsigned(bytes.length);
        body.append(bytes);
      }
    });
    return this.#module.bytes;
  }
}

function writeTypes(body: CodeBuffer): void {
  body.unsigned(SIGNATURES.length);
  for (const [parameters, results] of SIGNATURES) {
    body.byte(FUNCTION);
    for (const list of [parameters, results]) {
      body.unsigned(list.length);
      for (const type of list) body.byte(type);
    }
  }
}

function writeImports(body: CodeBuffer, pages: number): void {
  body.unsigned(IMPORTED.length + 1);
  for (const [name, type] of IMPORTED) {
    body.text('c');
    body.text(name);
    body.byte(0);
    body.unsigned(type);
  }
  body.text('c');
  body.text('memory');
  body.byte(2);
  body.byte(3); // shared, with a maximum
  body.unsigned(pages);
  body.unsigned(pages);
}
