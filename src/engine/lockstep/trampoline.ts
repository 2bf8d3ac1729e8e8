/** A WebAssembly function of type `() → i32` around a JavaScript one: only such may lie in the core's table. */

import { CodeBuffer } from '../translator/code-buffer.ts';
import { TYPE_I32 } from '../translator/opcodes.ts';

const FUNCTION = 0x60;
const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const TYPES = [1, 5, 1, FUNCTION, 0, 1, TYPE_I32];
const IMPORT_AND_EXPORT = ['f', ''] as const;

export function trampolineTo(run: () => number): () => number {
  const module = new CodeBuffer();
  for (const byte of [...HEADER, ...TYPES]) module.byte(byte);
  const [name, from] = IMPORT_AND_EXPORT;
  module.byte(2);
  module.unsigned(6);
  module.unsigned(1);
  module.text(from);
  module.text(name);
  module.byte(0);
  module.unsigned(0);
  // The function that is imported is exported again: as an export it is one of WebAssembly's.
  module.byte(7);
  module.unsigned(5);
  module.unsigned(1);
  module.text(name);
  module.byte(0);
  module.unsigned(0);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes.slice()), { '': { f: run } });
  return instance.exports[name] as () => number;
}
