/**
 * CPUID leaves by which a guest finds the hypervisor, and the bits in them [TLFS 2.4]. Names are the specification's.
 * A bit is declared here whether or not we offer it: what is offered is the microkernel's policy.
 */

export const HvCpuid = {
  VendorAndMaxFunction: 0x4000_0000,
  Interface: 0x4000_0001,
  Version: 0x4000_0002,
  Features: 0x4000_0003,
  EnlightenmentInfo: 0x4000_0004,
  ImplementationLimits: 0x4000_0005,
  HardwareFeatures: 0x4000_0006,
  CpuManagementFeatures: 0x4000_0007,
  SvmFeatures: 0x4000_0008,
  NestedFeaturesLegacy: 0x4000_0009,
  NestedFeatures: 0x4000_000a,
} as const;

/** "Microsoft Hv" in EBX, ECX, EDX of leaf 0x40000000. */
export const HV_VENDOR = { ebx: 0x7263_694d, ecx: 0x666f_736f, edx: 0x7648_2074 } as const;

/** "Hv#1": the interface is the one of the TLFS. */
export const HV_INTERFACE = 0x3123_7648;

/** Partition privileges, low word: leaf 0x40000003 EAX [TLFS 4.2.2, HV_PARTITION_PRIVILEGE_MASK]. */
export const HvPrivilege = {
  AccessVpRunTimeReg: 1 << 0,
  AccessPartitionReferenceCounter: 1 << 1,
  AccessSynicRegs: 1 << 2,
  AccessSyntheticTimerRegs: 1 << 3,
  AccessIntrCtrlRegs: 1 << 4,
  AccessHypercallMsrs: 1 << 5,
  AccessVpIndex: 1 << 6,
  AccessResetReg: 1 << 7,
  AccessStatsReg: 1 << 8,
  AccessPartitionReferenceTsc: 1 << 9,
  AccessGuestIdleReg: 1 << 10,
  AccessFrequencyRegs: 1 << 11,
  AccessDebugRegs: 1 << 12,
  AccessReenlightenmentControls: 1 << 13,
  AccessTscInvariantControls: 1 << 15,
} as const;

/** Partition privileges, high word: leaf 0x40000003 EBX. */
export const HvPrivilegeHigh = {
  CreatePartitions: 1 << 0,
  AccessPartitionId: 1 << 1,
  AccessMemoryPool: 1 << 2,
  PostMessages: 1 << 4,
  SignalEvents: 1 << 5,
  CreatePort: 1 << 6,
  ConnectPort: 1 << 7,
  AccessStats: 1 << 8,
  Debugging: 1 << 11,
  CpuManagement: 1 << 12,
  ConfigureProfiler: 1 << 13,
  AccessVsm: 1 << 16,
  AccessVpRegisters: 1 << 17,
  EnableExtendedHypercalls: 1 << 20,
  StartVirtualProcessor: 1 << 21,
  Isolation: 1 << 22,
} as const;

/** Features: leaf 0x40000003 EDX. */
export const HvFeature = {
  Mwait: 1 << 0,
  GuestDebugging: 1 << 1,
  PerformanceMonitor: 1 << 2,
  CpuDynamicPartitioning: 1 << 3,
  HypercallXmmInput: 1 << 4,
  GuestIdleState: 1 << 5,
  FrequencyMsrs: 1 << 8,
  GuestCrashMsrs: 1 << 10,
  DebugMsrs: 1 << 11,
  ExtendedGvaRangesForFlush: 1 << 14,
  HypercallXmmOutput: 1 << 15,
  SintPolling: 1 << 17,
  HypercallMsrLock: 1 << 18,
  DirectSyntheticTimers: 1 << 19,
} as const;

/** Recommendations: leaf 0x40000004 EAX. */
export const HvRecommendation = {
  AddressSpaceSwitch: 1 << 0,
  LocalTlbFlush: 1 << 1,
  RemoteTlbFlush: 1 << 2,
  ApicMsrs: 1 << 3,
  ResetMsr: 1 << 4,
  RelaxedTiming: 1 << 5,
  X2ApicMsrs: 1 << 8,
  DeprecateAutoEoi: 1 << 9,
  SyntheticClusterIpi: 1 << 10,
  ExProcessorMasks: 1 << 11,
  Nested: 1 << 12,
  MmioHypercalls: 1 << 21,
} as const;

/** Leaf 0x40000004 EBX: never retry a spin lock through the hypervisor. */
export const HV_SPINLOCK_RETRIES_NEVER = 0xffff_ffff;
