/** The parts of a WebAssembly module [WebAssembly Core Specification 2.0, section 5.5]. */

import { CodeBuffer } from './code-buffer.ts';

export const CUSTOM = 0;
const [TYPES, IMPORTS, FUNCTIONS, EXPORTS, CODE] = [1, 2, 3, 7, 10] as const;
const [IMPORT_FUNCTION, IMPORT_TABLE, IMPORT_MEMORY] = [0, 1, 2] as const;
const FUNCTION = 0x60;
const FUNCTION_REFERENCE = 0x70;
/** Shared, with a maximum. */
const SHARED = 3;
/** What imports' second names are of. */
const FROM = 'c';

export type Signature = readonly [parameters: readonly number[], results: readonly number[]];

export class ModuleSections {
  readonly #module = new CodeBuffer();
  readonly #body = new CodeBuffer();

  /** The module so far; valid until the next one. */
  get bytes(): Uint8Array { return this.#module.bytes; }

  start(): void {
    this.#module.clear();
    for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) this.#module.byte(byte);
  }

  section(id: number, write: (body: CodeBuffer) => void): void {
    this.#body.clear();
    write(this.#body);
    this.#module.byte(id);
    this.#module.unsigned(this.#body.length);
    this.#module.append(this.#body.bytes);
  }

  types(signatures: readonly Signature[]): void {
    this.section(TYPES, (body) => {
      body.unsigned(signatures.length);
      for (const signature of signatures) {
        body.byte(FUNCTION);
        for (const list of signature) {
          body.unsigned(list.length);
          for (const type of list) body.byte(type);
        }
      }
    });
  }

  /** Functions by name and type, the memory of `pages`, which does not grow, and if asked for the table. */
  imports(functions: readonly (readonly [name: string, type: number])[], pages: number, table = false): void {
    this.section(IMPORTS, (body) => {
      body.unsigned(functions.length + (table ? 2 : 1));
      for (const [name, type] of functions) {
        importOf(body, name, IMPORT_FUNCTION);
        body.unsigned(type);
      }
      importOf(body, 'memory', IMPORT_MEMORY);
      body.byte(SHARED);
      body.unsigned(pages);
      body.unsigned(pages);
      if (!table) return;
      importOf(body, 'table', IMPORT_TABLE);
      body.byte(FUNCTION_REFERENCE);
      body.byte(0); // no maximum
      body.unsigned(0);
    });
  }

  /** As many functions of type 0, and one export each, `0`, `1` …; `first`: the index of the first. */
  functions(count: number, first: number): void {
    this.section(FUNCTIONS, (body) => {
      body.unsigned(count);
      for (let n = 0; n < count; n++) body.unsigned(0);
    });
    this.section(EXPORTS, (body) => {
      body.unsigned(count);
      for (let n = 0; n < count; n++) {
        body.text(String(n));
        body.byte(0);
        body.unsigned(first + n);
      }
    });
  }

  code(bodies: readonly Uint8Array[]): void {
    this.section(CODE, (body) => {
      body.unsigned(bodies.length);
      for (const bytes of bodies) {
        body.unsigned(bytes.length);
        body.append(bytes);
      }
    });
  }
}

function importOf(body: CodeBuffer, name: string, kind: number): void {
  body.text(FROM);
  body.text(name);
  body.byte(kind);
}
