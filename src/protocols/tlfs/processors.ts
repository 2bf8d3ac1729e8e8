/**
 * The inputs of the calls that name sets of virtual processors: cluster IPIs, flushes of translations, and the
 * notification of a long wait [TLFS 7, 9, 10]. A set is a mask of 64 processors, or in
 * the Ex forms an HV_VP_SET, whose banks of 64 follow the fixed input as the variable header.
 */
import { bytes, struct, u32, u8 } from '../../wire/struct.ts';

/** HvCallSendSyntheticClusterIpi. */
export const ClusterIpiInput = struct('HV_INPUT_SEND_SYNTHETIC_CLUSTER_IPI', 16, {
  vector: u32,
  targetVtl: u8,
  reserved: bytes(3),
  processorMaskLow: u32,
  processorMaskHigh: u32,
});

/** HvCallSendSyntheticClusterIpiEx, up to the banks. */
export const ClusterIpiExInput = struct('HV_INPUT_SEND_SYNTHETIC_CLUSTER_IPI_EX', 24, {
  vector: u32,
  targetVtl: u8,
  reserved: bytes(3),
  setFormatLow: u32,
  setFormatHigh: u32,
  validBankMaskLow: u32,
  validBankMaskHigh: u32,
});

/** HvCallFlushVirtualAddressSpace, and HvCallFlushVirtualAddressList up to the list. */
export const FlushInput = struct('HV_INPUT_FLUSH_VIRTUAL_ADDRESS_SPACE', 24, {
  addressSpaceLow: u32,
  addressSpaceHigh: u32,
  flagsLow: u32,
  flagsHigh: u32,
  processorMaskLow: u32,
  processorMaskHigh: u32,
});

/** HvCallFlushVirtualAddressSpaceEx, and HvCallFlushVirtualAddressListEx, up to the banks. */
export const FlushExInput = struct('HV_INPUT_FLUSH_VIRTUAL_ADDRESS_SPACE_EX', 32, {
  addressSpaceLow: u32,
  addressSpaceHigh: u32,
  flagsLow: u32,
  flagsHigh: u32,
  setFormatLow: u32,
  setFormatHigh: u32,
  validBankMaskLow: u32,
  validBankMaskHigh: u32,
});

/** HvCallNotifyLongSpinWait: how often the guest has tried. */
export const LongSpinWaitInput = struct('HV_INPUT_NOTIFY_LONG_SPIN_WAIT', 8, { spinCount: u32, reserved: u32 });

export const FlushFlag = { AllProcessors: 1, AllVirtualAddressSpaces: 2, NonGlobalMappingsOnly: 4 } as const;

/** HV_GENERIC_SET_FORMAT. */
export const VpSetFormat = { Sparse4k: 0, All: 1 } as const;
