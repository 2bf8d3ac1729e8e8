/**
 * CPUID policy: which processor a guest sees. An AMD processor, so that Linux does without page-table isolation, of the
 * model that was chosen, below Microsoft's hypervisor. Decided here and nowhere else, the same for every engine; frozen
 * when the partition is created. [AMD APM 3, appendix E; TLFS 2.4]
 */
import {
  HV_INTERFACE, HV_SPINLOCK_RETRIES_NEVER, HV_VENDOR, HvCpuid, HvFeature, HvPrivilege, HvPrivilegeHigh,
  HvRecommendation,
} from '../protocols/tlfs/cpuid.ts';
import { AMD_REPEATED_BITS, type CpuidRegister, featureBits } from './cpuid-features.ts';
import { MAX_PROCESSORS } from './partition-layout.ts';
import { DEFAULT_MODEL, includesLevel, type ProcessorModel } from './processor-model.ts';

export const PHYSICAL_ADDRESS_BITS = 40;
export const LINEAR_ADDRESS_BITS = 48;

const MAX_BASIC_LEAF = 0xd;
const MAX_HYPERVISOR_LEAF = HvCpuid.NestedFeatures;
const MAX_EXTENDED_LEAF = 0x8000_0021;

/** "AuthenticAMD" in EBX, EDX, ECX. */
const VENDOR = { ebx: 0x6874_7541, edx: 0x6974_6e65, ecx: 0x444d_4163 };
/** Family 0x17, model 0x31, stepping 0. */
const SIGNATURE = 0x0083_0f10;
const BRAND = 'Partout Virtual Processor';
const CLFLUSH_QUADWORDS = 8;

/** Build 26100, version 10.0: newer guests distrust an invariant TSC below build 22621. */
const HYPERVISOR_BUILD = 26100;
const HYPERVISOR_VERSION = 10 << 16;

const PRIVILEGES = HvPrivilege.AccessPartitionReferenceCounter | HvPrivilege.AccessSynicRegs |
  HvPrivilege.AccessSyntheticTimerRegs | HvPrivilege.AccessHypercallMsrs | HvPrivilege.AccessVpIndex |
  HvPrivilege.AccessPartitionReferenceTsc | HvPrivilege.AccessFrequencyRegs;
const PRIVILEGES_HIGH = HvPrivilegeHigh.PostMessages | HvPrivilegeHigh.SignalEvents;
const FEATURES = HvFeature.FrequencyMsrs | HvFeature.GuestCrashMsrs | HvFeature.DirectSyntheticTimers;
const RECOMMENDATIONS = HvRecommendation.RelaxedTiming | HvRecommendation.DeprecateAutoEoi;
/** With several processors: calls that name sets of them, and locks whose waiters idle. */
const PRIVILEGES_OF_SEVERAL = HvPrivilege.AccessGuestIdleReg;
const RECOMMENDATIONS_OF_SEVERAL = HvRecommendation.RemoteTlbFlush | HvRecommendation.SyntheticClusterIpi |
  HvRecommendation.ExProcessorMasks;
/** Tries before a guest notifies us that it spins. */
const SPINLOCK_RETRIES = 0xfff;

/** HTT and CMP_LEGACY: several processors in one package, none of them sibling threads. */
const HTT = 1 << 28;
const CMP_LEGACY = 1 << 1;

/**
 * The TSC is virtual time times a constant, the same on every processor: Linux need not measure it on each. That the
 * guest may make it its clock is another thing, and offered by the hypervisor's leaf.
 */
const CONSTANT_TSC = 1 << 8;

/** State components of XCR0: x87 and SSE, and from v3 on AVX; and the size of their XSAVE area. */
const XSTATE_COMPONENTS = 3;
const XSTATE_SIZE = 576;
const AVX_COMPONENT = 2;
const AVX_SIZE = 256;

/** First-level cache, data or instruction: 32 KiB, 8 ways, 64-byte lines. Second level: 512 KiB, 8 ways. */
const L1_CACHE = 0x2008_0140;
const L2_CACHE = 0x0200_6140;
/** First-level TLB: 64 entries, fully associative, for both page sizes. */
const L1_TLB = 0xff40_ff40;

export class CpuidPolicy {
  readonly #processorCount: number;
  readonly #coreIdBits: number;
  readonly #invariantTsc: boolean;
  readonly #model: ProcessorModel;

  /** @param options.invariantTsc offers the TSC as a clock; such a guest can't resume where it runs differently. */
  constructor(options: { processorCount: number; model?: ProcessorModel; invariantTsc?: boolean }) {
    this.#processorCount = options.processorCount;
    this.#coreIdBits = 32 - Math.clz32(options.processorCount - 1);
    this.#invariantTsc = options.invariantTsc ?? false;
    this.#model = options.model ?? DEFAULT_MODEL;
  }

  get invariantTsc(): boolean {
    return this.#invariantTsc;
  }

  /** Leaves EAX, EBX, ECX, EDX for processor `index` in data[0..3]. A leaf that does not exist is all zeros. */
  query(leaf: number, subleaf: number, index: number, data: Int32Array): void {
    data[0] = data[1] = data[2] = data[3] = 0;
    const wanted = leaf >>> 0;
    if (wanted <= MAX_BASIC_LEAF) this.#basic(wanted, subleaf, index, data);
    else if (wanted >= HvCpuid.VendorAndMaxFunction && wanted <= MAX_HYPERVISOR_LEAF) this.#hypervisor(wanted, data);
    else if (wanted >= 0x8000_0000 && wanted <= MAX_EXTENDED_LEAF) this.#extended(wanted, data);
  }

  #bits(leaf: number, register: CpuidRegister): number {
    return featureBits(this.#model, leaf, register);
  }

  get #several(): boolean {
    return this.#processorCount > 1;
  }

  #basic(leaf: number, subleaf: number, index: number, data: Int32Array): void {
    switch (leaf) {
      case 0:
        return fill(data, MAX_BASIC_LEAF, VENDOR.ebx, VENDOR.ecx, VENDOR.edx);
      case 1:
        return fill(data, SIGNATURE, (index << 24) | (this.#processorCount << 16) | (CLFLUSH_QUADWORDS << 8),
          this.#bits(1, 'ecx'), this.#bits(1, 'edx') | (this.#several ? HTT : 0));
      case 6:
        return fill(data, this.#bits(6, 'eax'), 0, 0, 0);
      case 7:
        if (subleaf === 0) fill(data, 0, this.#bits(7, 'ebx'), this.#bits(7, 'ecx'), 0);
        return;
      case 0xb:
        return this.#topology(subleaf, index, data);
      case 0xd:
        return this.#extendedState(subleaf, data);
      default: // leaves 2, 3, 4, 5, 9 and 10 say nothing on an AMD processor
    }
  }

  /** The engine makes EBX of the first subleaf what XCR0 asks for. */
  #extendedState(subleaf: number, data: Int32Array): void {
    const hasAvx = includesLevel(this.#model.level, 'v3');
    const size = XSTATE_SIZE + (hasAvx ? AVX_SIZE : 0);
    if (subleaf === 0) fill(data, XSTATE_COMPONENTS | (hasAvx ? 1 << AVX_COMPONENT : 0), size, size, 0);
    else if (hasAvx && subleaf === AVX_COMPONENT) fill(data, AVX_SIZE, XSTATE_SIZE, 0, 0);
  }

  /** One thread a core, all cores in one package: level 0 is the thread, level 1 the core. */
  #topology(subleaf: number, index: number, data: Int32Array): void {
    if (subleaf === 0) fill(data, 0, 1, 0x100, index);
    else if (subleaf === 1) fill(data, this.#coreIdBits, this.#processorCount, 0x201, index);
    else fill(data, 0, 0, subleaf & 0xff, index);
  }

  #hypervisor(leaf: number, data: Int32Array): void {
    switch (leaf) {
      case HvCpuid.VendorAndMaxFunction:
        return fill(data, MAX_HYPERVISOR_LEAF, HV_VENDOR.ebx, HV_VENDOR.ecx, HV_VENDOR.edx);
      case HvCpuid.Interface:
        return fill(data, HV_INTERFACE, 0, 0, 0);
      case HvCpuid.Version:
        return fill(data, HYPERVISOR_BUILD, HYPERVISOR_VERSION, 0, 0);
      case HvCpuid.Features:
        return fill(data, PRIVILEGES | (this.#several ? PRIVILEGES_OF_SEVERAL : 0) |
          (this.#invariantTsc ? HvPrivilege.AccessTscInvariantControls : 0), PRIVILEGES_HIGH, 0, FEATURES);
      case HvCpuid.EnlightenmentInfo:
        if (!this.#several) fill(data, RECOMMENDATIONS, HV_SPINLOCK_RETRIES_NEVER, PHYSICAL_ADDRESS_BITS, 0);
        else fill(data, RECOMMENDATIONS | RECOMMENDATIONS_OF_SEVERAL, SPINLOCK_RETRIES, PHYSICAL_ADDRESS_BITS, 0);
        return;
      case HvCpuid.ImplementationLimits:
        return fill(data, MAX_PROCESSORS, MAX_PROCESSORS, 0, 0);
      default: // no hardware features, CPU management, SVM or nested features
    }
  }

  #extended(leaf: number, data: Int32Array): void {
    switch (leaf) {
      case 0x8000_0000:
        return fill(data, MAX_EXTENDED_LEAF, VENDOR.ebx, VENDOR.ecx, VENDOR.edx);
      case 0x8000_0001:
        return fill(data, SIGNATURE, 0, this.#bits(leaf, 'ecx') | (this.#several ? CMP_LEGACY : 0),
          this.#bits(leaf, 'edx') | (this.#bits(1, 'edx') & AMD_REPEATED_BITS));
      case 0x8000_0002:
      case 0x8000_0003:
      case 0x8000_0004:
        return brand((leaf - 0x8000_0002) * 16, data);
      case 0x8000_0005:
        return fill(data, L1_TLB, L1_TLB, L1_CACHE, L1_CACHE);
      case 0x8000_0006:
        return fill(data, 0, 0, L2_CACHE, 0);
      case 0x8000_0007:
        return fill(data, 0, 0, 0, CONSTANT_TSC);
      case 0x8000_0008:
        return fill(data, PHYSICAL_ADDRESS_BITS | (LINEAR_ADDRESS_BITS << 8), this.#bits(leaf, 'ebx'),
          this.#several ? (this.#coreIdBits << 12) | (this.#processorCount - 1) : 0, 0);
      case 0x8000_0021:
        return fill(data, this.#bits(leaf, 'eax'), 0, 0, 0);
      default:
    }
  }
}

function fill(data: Int32Array, eax: number, ebx: number, ecx: number, edx: number): void {
  data[0] = eax;
  data[1] = ebx;
  data[2] = ecx;
  data[3] = edx;
}

function brand(from: number, data: Int32Array): void {
  for (let i = 0; i < 16; i++) {
    const code = from + i < BRAND.length ? BRAND.charCodeAt(from + i) : 0;
    data[i >> 2] = (data[i >> 2] as number) | (code << ((i & 3) * 8));
  }
}
