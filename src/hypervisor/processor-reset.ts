/**
 * The values that the microkernel's registers of a processor have after power-on, RESET and INIT. Own thread, or the
 * owner while every processor is paused.
 */
import { CrashControlHigh, Sint } from '../protocols/tlfs/msrs.ts';
import { SINT_COUNT, SYNTHETIC_TIMER_COUNT } from '../protocols/tlfs/synic.ts';
import type { ControlBuffer } from './control-buffer.ts';
import { APIC_DEFAULT_ADDRESS, ApicBase, LVT_MASKED } from './local-apic-layout.ts';
import { writeMessages } from './message-state.ts';
import {
  NEVER_NS, PARTITION_REGISTERS_OFFSET, PartitionRegisters, VpActivity, VpRegisters,
} from './partition-layout.ts';

const LVT = VpRegisters.localVectors.offset >> 2;
const SINTS = VpRegisters.sints.offset >> 2;
const STIMER_DEADLINES = VpRegisters.stimerDeadlineNs.offset >> 3;

/** MTRRs enabled, fixed ones too, what they don't cover write-back. */
const MTRR_DEFAULT_TYPE = 0xc06n;
const WRITE_BACK_RANGES = 0x06;
const FIXED_MTRR_BYTES = 88;
/** The fixed range 0xA0000 to 0xBFFFF, where there is no RAM, is uncacheable. */
const VIDEO_RANGE = { start: 16, end: 24 };

const PAT_RESET = 0x0007_0406_0007_0406n;
/** Fast strings enabled. */
const MISC_ENABLE_RESET = 1n;
/** TscFreqSel: the counter runs at the P0 frequency. Linux checks it on AMD processors. */
const HWCR_RESET = 1n << 24n;
/** LFENCE serializes execution, as it does on every engine here. */
const DE_CFG_RESET = 1n << 1n;

/** The local APIC's state after RESET or INIT, but for its base register. */
export function resetLocalApic(control: ControlBuffer, index: number): void {
  const at = control.vpRegistersOffset(index);
  const none = new Uint8Array(32);
  VpRegisters.encode(control.view, at, {
    irr: none, isr: none, tmr: none,
    timerDeadlineNs: NEVER_NS, timerInitialCount: 0, timerDivide: 0,
    taskPriority: 0, logicalDestination: 0, destinationFormat: 0xffff_ffff, spuriousVector: 0xff,
    errorStatus: 0, errorPending: 0, interruptCommandLow: 0, interruptCommandHigh: 0,
  });
  const words = control.vpRegistersWord(index);
  for (let i = 0; i < 6; i++) control.words[words + LVT + i] = LVT_MASKED;
}

/** Everything of one processor, as after power-on. Processor 0 is the boot processor; the others wait for a SIPI. */
export function resetProcessor(control: ControlBuffer, index: number): void {
  const at = control.vpRegistersOffset(index);
  new Uint8Array(control.buffer, at, VpRegisters.$size).fill(0);
  resetLocalApic(control, index);
  const fixed = new Uint8Array(FIXED_MTRR_BYTES).fill(WRITE_BACK_RANGES);
  fixed.fill(0, VIDEO_RANGE.start, VIDEO_RANGE.end);
  VpRegisters.encode(control.view, at, {
    apicBase: BigInt((APIC_DEFAULT_ADDRESS | ApicBase.Enable | (index === 0 ? ApicBase.BootProcessor : 0)) >>> 0),
    activity: index === 0 ? VpActivity.Running : VpActivity.WaitForSipi,
    pat: PAT_RESET, miscEnable: MISC_ENABLE_RESET, mtrrDefaultType: MTRR_DEFAULT_TYPE, mtrrFixed: fixed,
    amdHwcr: HWCR_RESET, amdDeCfg: DE_CFG_RESET, sControl: 1n,
  });
  const words = control.vpRegistersWord(index);
  for (let i = 0; i < SINT_COUNT; i++) control.words[words + SINTS + i * 2] = Sint.Masked;
  for (let i = 0; i < SYNTHETIC_TIMER_COUNT; i++) {
    control.floats[(words >> 1) + STIMER_DEADLINES + i] = NEVER_NS;
  }
}

/** The partition's own registers, as after power-on; no message is on its way. */
export function resetPartition(control: ControlBuffer): void {
  new Uint8Array(control.buffer, PARTITION_REGISTERS_OFFSET, PartitionRegisters.$size).fill(0);
  PartitionRegisters.crashControl.set(control.view, PARTITION_REGISTERS_OFFSET,
    BigInt(CrashControlHigh.Notify + CrashControlHigh.Message) << 32n);
  writeMessages(control, { posted: [], queued: [] });
}
