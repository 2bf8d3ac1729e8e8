/**
 * Hypercalls: the control word in RCX, the result in RAX, status codes and call codes [TLFS 3, appendices A and C].
 * The 64-bit words are described by their halves, because they cross as two 32-bit words.
 */

/** Control word, low half: [15:0] code, 16 fast, [26:17] variable header in 8 bytes, [30:27] zero, 31 nested. */
export const HypercallControlLow = {
  CodeMask: 0xffff,
  Fast: 1 << 16,
  VariableHeaderShift: 17,
  VariableHeaderMask: 0x3ff,
  ReservedMask: 0x7800_0000,
  Nested: 0x8000_0000,
} as const;

/** Control word, high half: [11:0] repetitions, [15:12] zero, [27:16] first repetition, [31:28] zero. */
export const HypercallControlHigh = {
  RepCountMask: 0xfff,
  RepStartShift: 16,
  RepStartMask: 0xfff,
  ReservedMask: 0xf000_f000,
} as const;

/** HV_STATUS_…, the low 16 bits of the result; the high half of the result has repetitions completed in [11:0]. */
export const HvStatus = {
  Success: 0x0000,
  InvalidHypercallCode: 0x0002,
  InvalidHypercallInput: 0x0003,
  InvalidAlignment: 0x0004,
  InvalidParameter: 0x0005,
  AccessDenied: 0x0006,
  InvalidPartitionState: 0x0007,
  OperationDenied: 0x0008,
  InsufficientMemory: 0x000b,
  InvalidPartitionId: 0x000d,
  InvalidVpIndex: 0x000e,
  InvalidPortId: 0x0011,
  InvalidConnectionId: 0x0012,
  InsufficientBuffers: 0x0013,
  InvalidVpState: 0x0015,
  InvalidSynicState: 0x0018,
  ObjectInUse: 0x0019,
  FeatureUnavailable: 0x001e,
} as const;
export type HvStatus = (typeof HvStatus)[keyof typeof HvStatus];

export const HvCall = {
  HvCallFlushVirtualAddressSpace: 0x0002,
  HvCallFlushVirtualAddressList: 0x0003,
  HvCallNotifyLongSpinWait: 0x0008,
  HvCallSendSyntheticClusterIpi: 0x000b,
  HvCallFlushVirtualAddressSpaceEx: 0x0013,
  HvCallFlushVirtualAddressListEx: 0x0014,
  HvCallSendSyntheticClusterIpiEx: 0x0015,
  HvCallGetPartitionId: 0x0046,
  HvCallGetVpRegisters: 0x0050,
  HvCallSetVpRegisters: 0x0051,
  HvCallPostMessage: 0x005c,
  HvCallSignalEvent: 0x005d,
  HvCallRetargetDeviceInterrupt: 0x007e,
  HvExtCallQueryCapabilities: 0x8001,
  HvExtCallMemoryHeatHint: 0x8003,
} as const;

/** The call's name for traces, or its number. */
export function hypercallName(code: number): string {
  for (const [name, number] of Object.entries(HvCall)) if (number === code) return name;
  return `hypercall 0x${code.toString(16)}`;
}
