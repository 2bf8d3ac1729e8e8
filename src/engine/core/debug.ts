// Debug registers, single steps and breakpoints [Intel SDM 3B, chapter 17]. While TF or a breakpoint is armed the
// processor runs one instruction at a time, so that the fast path knows nothing of them.

import { DR0, DR6, DR7, PENDING_DEBUG, RF, RFLAGS, STEPPING, TF } from "./layout";
import { cpu } from "./cpu";

const ENABLED: u64 = 0xff;

/** Recomputes STEPPING. Call it when RFLAGS.TF or DR7 change. */
export function updateStepping(): void {
  const armed = (load<u32>(cpu + RFLAGS) & TF) != 0 || (load<u64>(cpu + DR7) & ENABLED) != 0;
  store<u32>(cpu + STEPPING, u32(armed));
}

/** DR6 bits of the instruction breakpoints at the linear address. */
export function codeBreakpoints(linear: u64): u32 {
  const control = load<u64>(cpu + DR7);
  let hits: u32 = 0;
  if ((control & ENABLED) == 0 || (load<u32>(cpu + RFLAGS) & RF) != 0) return 0;
  for (let n: u32 = 0; n < 4; n++) {
    const enabled = (control >> (n << 1)) & 3;
    const kind = (control >> (16 + (n << 2))) & 15;
    if (enabled != 0 && kind == 0 && load<u64>(cpu + DR0 + (n << 3)) == linear) hits |= 1 << n;
  }
  return hits;
}
