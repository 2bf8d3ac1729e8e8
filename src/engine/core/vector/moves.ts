// Integer moves [SDM vol. 2: MOVD, MOVQ, MOVDQA, MOVDQU, MOVNTDQ, MOVNTDQA, MOVNTQ, LDDQU, MOVQ2DQ, MOVDQ2Q] and EMMS.
// Named for how much they move and what of the destination they clear, as one serves several instructions.

import { FTAG, FTOP } from "../layout";
import { cpu } from "../cpu";

export function move32(d: usize, s: usize, i: i32): void { store<u32>(d, load<u32>(s)); }
export function move32Zero64(d: usize, s: usize, i: i32): void { store<u64>(d, load<u32>(s)); }
export function move32Zero128(d: usize, s: usize, i: i32): void { v128.store(d, v128.load32_zero(s)); }
export function move64(d: usize, s: usize, i: i32): void { store<u64>(d, load<u64>(s)); }
export function move64Zero128(d: usize, s: usize, i: i32): void { v128.store(d, v128.load64_zero(s)); }
export function move128(d: usize, s: usize, i: i32): void { v128.store(d, v128.load(s)); }

/** Empties the x87 stack [SDM vol. 3, "Effect of the MMX … instructions on the x87 FPU tag word"]. */
export function emms(d: usize, s: usize, i: i32): void {
  store<u32>(cpu + FTOP, 0);
  store<u8>(cpu + FTAG, 0);
}
