/**
 * One row describes one instruction form: its encoding, its operands, and what it does. The rows feed the decoder's
 * tables, the interpreter's dispatch (and the translator's), the list of oracles and the disassembler's names.
 *
 * `opcode` follows the manuals' notation, tokens separated by spaces:
 *   NP 66 F3 F2      mandatory prefix (NP: none of the three). Without one of these the row holds for all four, and 66
 *                    is the operand-size prefix; a row with a prefix wins over a row without. `66 F2`: both.
 *   0F, 0F 38, 0F 3A the opcode map; then the opcode byte; `+r` when its low three bits name a register
 *   /r               a ModRM byte follows;  /0 … /7  its reg field extends the opcode
 *   m, r             only the memory form, only the register form;  rm=N  the register form with this rm field
 *   W0, W1           only without, only with REX.W
 *   VEX              first of all: with a VEX prefix, which says prefix, map and W;  L0, L1  only so long a vector
 *   i64, o64         invalid in 64-bit mode, only valid in 64-bit mode
 *
 * `operands`, destination first, separated by commas:
 *   E  general register or memory (ModRM.rm)   G  general register (ModRM.reg)     Z  register in the opcode byte
 *   M  memory only                             A  accumulator   C  CL   1  the constant 1
 *   I  immediate                               J  relative target                  O  absolute memory offset
 *   S  segment register (ModRM.reg)            V  XMM (reg)   W  XMM (rm) or memory   U  XMM (rm) only
 *   P  MMX (reg)   Q  MMX (rm) or memory       N  MMX (rm) only
 *   B  general register, H  XMM or YMM, in VEX.vvvv
 *   a single memory operand is written; one that is only read is preceded by an empty destination: `,M`
 *   followed by a size: b w d q (1 2 4 8 bytes), v (operand size 2/4/8), z (2 or 4 bytes: immediates),
 *   y (4, or 8 with REX.W). V W U P Q N take none: the memory operand's size is `bytes`.
 */

export interface Instruction {
  readonly opcode: string;
  readonly name: string;
  readonly operands: string;
  /**
   * What it does. Class `integer`: the name of a semantic in semantics.ts. Every other class: the name of a handler
   * function of the core, `(d: usize, s: usize, i: i32): void`, which class `avx` shares with `sse`.
   */
  readonly op: string;
  readonly class: InstructionClass;
  /** Bytes of the memory operand of vector and x87 forms. */
  readonly bytes?: number;
  /** Those are so many for 256-bit vectors too, which else have twice as many. */
  readonly sameBytes?: boolean;
  /** Of a VEX prefix: how the lanes of the vectors meet their operands. */
  readonly shape?: Shape;
  /** By how many bits the upper lane's immediate is shifted. */
  readonly laneShift?: number;
  /** The length of vectors in the prefix says nothing: one element, as with 128 bits. */
  readonly scalar?: boolean;
  /** The memory operand must be aligned to 16 bytes, else #GP(0). */
  readonly aligned?: boolean;
  /** The CPUID feature that announces it; none means every x86-64 has it. */
  readonly feature?: string;
  /** LOCK is allowed with a memory destination. */
  readonly lock?: boolean;
  /** The operand size is 64 bits by default in 64-bit mode (stack and near-branch instructions). */
  readonly default64?: boolean;
  /** Ends a run of straight-line code. */
  readonly ends?: boolean;
  /** Who vouches for it: `native` (ring 3, compared with the host's processor), else the name of the test that does. */
  readonly oracle?: string;
  /** Flags that the manuals leave undefined, as an RFLAGS mask, for the comparison with the host. */
  readonly undefinedFlags?: number;
}

export type InstructionClass = 'integer' | 'system' | 'x87' | 'mmx' | 'sse' | 'avx' | 'state';

/**
 * lanes: a handler for each lane of 128 bits · common: with one source for all · widen: with a shorter source · narrow:
 * with a shorter destination · ternary: the destination is the third source · whole: one for all lanes · general: the
 * destination is a general register or the flags · sourceFirst: the source is what the handler changes
 */
export type Shape = 'lanes' | 'common' | 'widen' | 'narrow' | 'whole' | 'general' | 'ternary'
  | 'sourceFirst';

export type Row = readonly [opcode: string, name: string, operands: string, op: string, rest?: Partial<Instruction>];

/** Expands rows that share a class. */
export function instructions(className: InstructionClass, rows: readonly Row[]): Instruction[] {
  return rows.map(([opcode, name, operands, op, rest]) => ({ opcode, name, operands, op, class: className, ...rest }));
}
