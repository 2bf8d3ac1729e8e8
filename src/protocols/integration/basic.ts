/**
 * The bodies of heartbeat, shutdown and time synchronisation [Linux include/linux/hyperv.h, struct heartbeat_msg_data,
 * shutdown_msg_data, ictimesync_data and ictimesync_ref_data].
 */
import { bytes, struct, u32, u53, u8 } from '../../wire/struct.ts';

/** The guest answers with the sequence number plus one. */
export const HeartbeatBody = struct('heartbeat_msg_data', 40, { sequence: u53, reserved: bytes(32) });

export const ShutdownBody = struct('shutdown_msg_data', 2060, {
  reason: u32,
  timeoutSeconds: u32,
  flags: u32,
  message: bytes(2048),
});
export const ShutdownFlag = { Force: 1, Restart: 2, Hibernate: 4 } as const;

/** From version 4 on; times are in units of 100 ns, the parent's since 1601. */
export const TimeReferenceBody = struct('ictimesync_ref_data', 22, {
  parentTimeLow: u32,
  parentTimeHigh: u32,
  referenceTimeLow: u32,
  referenceTimeHigh: u32,
  flags: u8,
  leapFlags: u8,
  stratum: u8,
  reserved: bytes(3),
});

/** Up to version 3. */
export const TimeBody = struct('ictimesync_data', 25, {
  parentTimeLow: u32,
  parentTimeHigh: u32,
  childTimeLow: u32,
  childTimeHigh: u32,
  roundTripLow: u32,
  roundTripHigh: u32,
  flags: u8,
});
export const TimeFlag = { Probe: 0, Sync: 1, Sample: 2 } as const;

/** 1970 in units of 100 ns since 1601. */
export const EPOCH_1970 = 116_444_736_000_000_000n;
