/**
 * Guest file copy: one file at a time, in fragments [Linux include/uapi/linux/hyperv.h, hv_start_fcopy and
 * hv_do_fcopy].
 */
import { bytes, struct, u32, u53 } from '../../wire/struct.ts';

export const FileCopyOperation = { Start: 0, Write: 1, Complete: 2, Cancel: 3 } as const;
export const FileCopyFlag = { Overwrite: 1, CreatePath: 2 } as const;

const header = { operation: u32, serviceId0: bytes(16), serviceId1: bytes(16) };
export const PATH_CHARACTERS = 260;
export const FRAGMENT_BYTES = 6144;

export const FileCopyHeader = struct('hv_fcopy_hdr', 36, header);
/** Name and directory are UTF-16 with a NUL. */
export const FileCopyStart = struct('hv_start_fcopy', 1088, {
  ...header,
  fileName: bytes(PATH_CHARACTERS * 2),
  pathName: bytes(PATH_CHARACTERS * 2),
  copyFlags: u32,
  fileSize: u53,
});
export const FileCopyFragment = struct('hv_do_fcopy', 6196, {
  ...header,
  padding: u32,
  offset: u53,
  size: u32,
  data: bytes(FRAGMENT_BYTES),
});
