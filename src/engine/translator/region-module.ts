/** A WebAssembly module of regions: one function each, and what they import. */

import { CORE_CALL_SIGNATURES, coreCallImports } from './core-calls.ts';
import { CUSTOM, ModuleSections, type Signature } from './module-sections.ts';
import { TYPE_I32, TYPE_I64 } from './opcodes.ts';
import type { RegionBody } from './region-writer.ts';

/** Functions that a region may call, in the order of the CALL_ numbers: name and type. */
export const IMPORTED = [['lazyCondition', 1], ['lazyResult', 2], ['lazyAux', 3], ['multiplyHighSigned', 4],
  ['reach', 5], ['step', 6], ['holds', 7]] as const;

/** Those, and more that a few call. */
export const WITH_CORE_CALLS = [...IMPORTED, ...coreCallImports(8)];

const SIGNATURES: readonly Signature[] = [
  [[], [TYPE_I32]],
  [[TYPE_I32, TYPE_I32, TYPE_I64, TYPE_I64], [TYPE_I32]],
  [[TYPE_I32, TYPE_I64, TYPE_I64], [TYPE_I64]],
  [[TYPE_I32, TYPE_I64, TYPE_I64], [TYPE_I32]],
  [[TYPE_I64, TYPE_I64], [TYPE_I64]],
  [[TYPE_I64, TYPE_I32, TYPE_I32], [TYPE_I32]],
  [[TYPE_I32], [TYPE_I32]],
  [[TYPE_I32, TYPE_I64, TYPE_I32], [TYPE_I32]],
  ...CORE_CALL_SIGNATURES,
];

/** Writes modules, always in the same buffers. */
export class RegionModule {
  readonly #sections = new ModuleSections();

  /**
   * The module whose exports `0`, `1` … are these regions; valid until the next one. `pages`: the memory's size, fixed.
   */
  write(regions: readonly RegionBody[], pages: number): Uint8Array {
    const sections = this.#sections;
    sections.start();
    sections.types(SIGNATURES);
    const imported = regions.some(({ callsCore }) => callsCore) ? WITH_CORE_CALLS : IMPORTED;
    sections.imports(imported, pages);
    sections.functions(regions.length, imported.length);
    // Branches that are hardly ever taken [WebAssembly Branch Hinting proposal].
    sections.section(CUSTOM, (body) => {
      body.text('metadata.code.branch_hint');
      body.unsigned(regions.length);
      for (const [n, { unlikely }] of regions.entries()) {
        body.unsigned(imported.length + n);
        body.unsigned(unlikely.length);
        for (const at of unlikely) {
          body.unsigned(at);
          body.byte(1);
          body.byte(0);
        }
      }
    });
    sections.code(regions.map(({ bytes }) => bytes));
    return sections.bytes;
  }
}
