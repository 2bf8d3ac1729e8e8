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

function section(module: CodeBuffer, id: number, write: (body: CodeBuffer) => void): void {
  const body = new CodeBuffer();
  write(body);
  module.byte(id);
  module.unsigned(body.length);
  module.append(body.bytes);
}

/** The module whose exports `0`, `1` … are the functions with these bodies. `pages`: the memory's size, fixed. */
export function moduleOf(bodies: readonly Uint8Array[], pages: number): Uint8Array {
  const module = new CodeBuffer();
  for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) module.byte(byte);
  section(module, TYPES, (body) => {
    body.unsigned(SIGNATURES.length);
    for (const [parameters, results] of SIGNATURES) {
      body.byte(FUNCTION);
      for (const list of [parameters, results]) {
        body.unsigned(list.length);
        for (const type of list) body.byte(type);
      }
    }
  });
  section(module, IMPORTS, (body) => {
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
  });
  section(module, FUNCTIONS, (body) => {
    body.unsigned(bodies.length);
    for (let n = 0; n < bodies.length; n++) body.unsigned(0);
  });
  section(module, EXPORTS, (body) => {
    body.unsigned(bodies.length);
    for (let n = 0; n < bodies.length; n++) {
      body.text(String(n));
      body.byte(0);
      body.unsigned(IMPORTED.length + n);
    }
  });
  section(module, CODE, (body) => {
    body.unsigned(bodies.length);
    for (const bytes of bodies) {
      body.unsigned(bytes.length);
      body.append(bytes);
    }
  });
  return module.bytes.slice();
}
