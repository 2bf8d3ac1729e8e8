/**
 * The reference TSC page: how a guest turns its time-stamp counter into reference time without an exit. Reference time
 * = ((TSC × scale) >> 64) + offset, in units of 100 ns [TLFS 12.7].
 */
import { struct, u32 } from '../../wire/struct.ts';

/** HV_REFERENCE_TSC_PAGE, the part that has a meaning. A sequence of 0 sends the guest to TIME_REF_COUNT instead. */
export const ReferenceTscPage = struct('HV_REFERENCE_TSC_PAGE', 24, {
  tscSequence: u32,
  reserved: u32,
  tscScaleLow: u32,
  tscScaleHigh: u32,
  tscOffsetLow: u32,
  tscOffsetHigh: u32,
});

export const TSC_SEQUENCE_INVALID = 0;

/** Units of reference time in a second. */
export const REFERENCE_TIME_HZ = 10_000_000;
