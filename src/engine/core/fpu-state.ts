// Whether floating point and vector instructions may run, and MMX's way in and out of the x87 registers.

import { AVX_BLOCKED, CR0, CR4, FPU_BLOCKED, FSW, FTAG, FTOP, XCR0 } from "./layout";
import { cpu, MF, NM, raise, UD } from "./cpu";

const CR0_MP: u64 = 2;
const CR0_EM: u64 = 4;
const CR0_TS: u64 = 8;
const CR4_OSFXSR: u64 = 0x200;
const CR4_OSXSAVE: u64 = 0x40000;
/** SSE and AVX. */
const XCR0_AVX: u64 = 6;
const FSW_ES: u16 = 0x80;

/** Recomputes FPU_BLOCKED and AVX_BLOCKED. Call it when CR0, CR4 or XCR0 change. */
export function updateFpuBlocked(): void {
  const cr0 = load<u64>(cpu + CR0);
  const blocked = (cr0 & (CR0_EM | CR0_TS)) != 0;
  const sse = blocked || (load<u64>(cpu + CR4) & CR4_OSFXSR) == 0;
  store<u32>(cpu + FPU_BLOCKED, blocked ? 7 : sse ? 4 : 0);
  store<u32>(cpu + AVX_BLOCKED, u32((cr0 & CR0_TS) != 0 || !isAvxEnabled()));
}

function isAvxEnabled(): bool {
  return (load<u64>(cpu + CR4) & CR4_OSXSAVE) != 0 && (load<u64>(cpu + XCR0) & XCR0_AVX) == XCR0_AVX;
}

/** What an AVX instruction raises before it does anything. */
export function checkAvx(): void {
  if (load<u32>(cpu + AVX_BLOCKED) == 0) return;
  if (!isAvxEnabled()) raise(UD);
  raise(NM);
}

export function checkX87(): void {
  if ((load<u64>(cpu + CR0) & (CR0_EM | CR0_TS)) != 0) raise(NM);
}

/** WAIT traps by TS only when MP is set too. */
export function checkWait(): void {
  if ((load<u64>(cpu + CR0) & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)) raise(NM);
  checkPending();
}

/** An unmasked x87 exception of an earlier instruction surfaces here. */
export function checkPending(): void {
  if ((load<u16>(cpu + FSW) & FSW_ES) != 0) raise(MF);
}

export function checkSse(): void {
  if ((load<u64>(cpu + CR0) & CR0_EM) != 0 || (load<u64>(cpu + CR4) & CR4_OSFXSR) == 0) raise(UD);
  if ((load<u64>(cpu + CR0) & CR0_TS) != 0) raise(NM);
}

/** What an MMX instruction raises before it does anything. */
export function checkMmx(): void {
  if (load<u32>(cpu + FPU_BLOCKED) != 0) {
    if ((load<u64>(cpu + CR0) & CR0_EM) != 0) raise(UD);
    if ((load<u64>(cpu + CR0) & CR0_TS) != 0) raise(NM);
  }
  checkPending();
}

/** Before an MMX instruction: checks, then TOP 0 and all tags valid. */
export function enterMmx(): void {
  checkMmx();
  store<u32>(cpu + FTOP, 0);
  store<u8>(cpu + FTAG, 0xff);
}

/** After an MMX instruction that wrote the register at `d`: its exponent is all ones. */
export function leaveMmx(d: usize): void {
  store<u16>(d, 0xffff, 8);
}
