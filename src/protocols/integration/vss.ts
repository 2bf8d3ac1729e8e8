/** Volume snapshots: freezing and thawing the guest's file systems [Linux include/uapi/linux/hyperv.h, hv_vss_msg]. */
import { bytes, struct, u32, u8 } from '../../wire/struct.ts';

export const VssOperation = {
  Create: 0, Delete: 1, HotBackup: 2, GetDmInfo: 3, BackupComplete: 4, Freeze: 5, Thaw: 6, AutoRecover: 7,
} as const;
export type VssOperation = (typeof VssOperation)[keyof typeof VssOperation];

export const VssBody = struct('hv_vss_msg', 12, { operation: u8, reserved: bytes(7), flags: u32 });
