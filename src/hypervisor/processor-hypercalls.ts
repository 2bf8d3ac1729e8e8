/**
 * The calls that name sets of processors: cluster IPIs and flushes of translations, and the notification of a long
 * spin wait [TLFS 7, 9, 10]. Processors that are named but not there are passed over. A flush forgets more than
 * it must: whatever the address space, and global translations too.
 */
import { HvCall, HvStatus } from '../protocols/tlfs/hypercalls.ts';
import {
  ClusterIpiExInput, ClusterIpiInput, FlushExInput, FlushFlag, FlushInput, LongSpinWaitInput, VpSetFormat,
} from '../protocols/tlfs/processors.ts';
import { DeliveryMode } from './device-port.ts';
import type { ProcessorEngine } from './engine-port.ts';
import type { HypercallDefinition, HypercallFrame } from './hypercalls.ts';
import type { InterruptRouter } from './interrupt-router.ts';
import { LOWEST_VECTOR } from './local-apic-layout.ts';

const BANK_BYTES = 8;
const RANGE_BYTES = 8;
const HIGHEST_VECTOR = 0xff;
const FLUSH_FLAGS = FlushFlag.AllProcessors | FlushFlag.AllVirtualAddressSpaces | FlushFlag.NonGlobalMappingsOnly;

export interface ProcessorHypercallOptions {
  readonly processorCount: number;
  readonly engine: () => ProcessorEngine;
  readonly router: InterruptRouter;
  /** The guest waits for another processor: let that one run. */
  readonly yieldProcessor: () => void;
}

/** The fields by which an Ex form names its set. */
type SetFields = Pick<typeof FlushExInput, 'setFormatLow' | 'setFormatHigh' | 'validBankMaskLow' | 'validBankMaskHigh'>;

export class ProcessorHypercalls {
  readonly definitions: readonly HypercallDefinition[];
  readonly #options: ProcessorHypercallOptions;
  /** The set that a call names. */
  #low = 0;
  #high = 0;

  constructor(options: ProcessorHypercallOptions) {
    this.#options = options;
    const call = (
      code: number, inputBytes: number, run: (frame: HypercallFrame) => HvStatus,
      more: Partial<HypercallDefinition> = {},
    ): HypercallDefinition => ({ code, inputBytes, outputBytes: 0, repBytes: 0, variableHeader: false, run, ...more });
    const list = { repBytes: RANGE_BYTES };
    const sparse = { variableHeader: true };
    this.definitions = [
      call(HvCall.HvCallNotifyLongSpinWait, LongSpinWaitInput.$size, () => this.#longSpinWait()),
      call(HvCall.HvCallSendSyntheticClusterIpi, ClusterIpiInput.$size, (frame) => this.#sendIpi(frame)),
      call(HvCall.HvCallSendSyntheticClusterIpiEx, ClusterIpiExInput.$size, (frame) => this.#sendIpiEx(frame), sparse),
      call(HvCall.HvCallFlushVirtualAddressSpace, FlushInput.$size, (frame) => this.#flush(frame)),
      call(HvCall.HvCallFlushVirtualAddressList, FlushInput.$size, (frame) => this.#flush(frame), list),
      call(HvCall.HvCallFlushVirtualAddressSpaceEx, FlushExInput.$size, (frame) => this.#flushEx(frame), sparse),
      call(HvCall.HvCallFlushVirtualAddressListEx, FlushExInput.$size, (frame) => this.#flushEx(frame),
        { ...list, ...sparse }),
    ];
  }

  #longSpinWait(): HvStatus {
    this.#options.yieldProcessor();
    return HvStatus.Success;
  }

  // Hot path: an IPI, a flush. No allocation in what follows.

  #sendIpi({ input }: HypercallFrame): HvStatus {
    this.#choose(ClusterIpiInput.processorMaskLow.get(input, 0), ClusterIpiInput.processorMaskHigh.get(input, 0));
    return this.#send(ClusterIpiInput.vector.get(input, 0), ClusterIpiInput.targetVtl.get(input, 0));
  }

  #sendIpiEx(frame: HypercallFrame): HvStatus {
    const status = this.#chooseSet(frame, ClusterIpiExInput, ClusterIpiExInput.$size);
    if (status !== HvStatus.Success) return status;
    const { input } = frame;
    return this.#send(ClusterIpiExInput.vector.get(input, 0), ClusterIpiExInput.targetVtl.get(input, 0));
  }

  #send(vector: number, targetVtl: number): HvStatus {
    if (vector < LOWEST_VECTOR || vector > HIGHEST_VECTOR || targetVtl !== 0) return HvStatus.InvalidParameter;
    const { router, processorCount } = this.#options;
    for (let index = 0; index < processorCount; index++) {
      if (this.#names(index)) router.deliver(index, DeliveryMode.Fixed, vector, false);
    }
    return HvStatus.Success;
  }

  #flush(frame: HypercallFrame): HvStatus {
    const { input } = frame;
    const flags = FlushInput.flagsLow.get(input, 0);
    if ((flags & FlushFlag.AllProcessors) !== 0) this.#choose(~0, ~0);
    else this.#choose(FlushInput.processorMaskLow.get(input, 0), FlushInput.processorMaskHigh.get(input, 0));
    return this.#forget(frame, flags, FlushInput.flagsHigh.get(input, 0), FlushInput.$size);
  }

  #flushEx(frame: HypercallFrame): HvStatus {
    const { input } = frame;
    const status = this.#chooseSet(frame, FlushExInput, FlushExInput.$size);
    if (status !== HvStatus.Success) return status;
    const flags = FlushExInput.flagsLow.get(input, 0);
    if ((flags & FlushFlag.AllProcessors) !== 0) this.#choose(~0, ~0);
    const ranges = FlushExInput.$size + frame.variableHeaderWords * BANK_BYTES;
    return this.#forget(frame, flags, FlushExInput.flagsHigh.get(input, 0), ranges);
  }

  #forget(frame: HypercallFrame, flagsLow: number, flagsHigh: number, rangesAt: number): HvStatus {
    if ((flagsLow & ~FLUSH_FLAGS) !== 0 || flagsHigh !== 0) return HvStatus.InvalidParameter;
    const { repStart, repCount, input } = frame;
    const engine = this.#options.engine();
    engine.flushTranslations(this.#low, this.#high, input, rangesAt + repStart * RANGE_BYTES, repCount - repStart);
    frame.repsDone = repCount;
    return HvStatus.Success;
  }

  #choose(low: number, high: number): void {
    const count = this.#options.processorCount;
    this.#low = count < 32 ? low & ((1 << count) - 1) : low;
    this.#high = count <= 32 ? 0 : count < 64 ? high & ((1 << (count - 32)) - 1) : high;
  }

  /** All, or the processors of the banks that the variable header holds: only the first can name any. */
  #chooseSet({ input, variableHeaderWords }: HypercallFrame, fields: SetFields, banksAt: number): HvStatus {
    const format = fields.setFormatLow.get(input, 0);
    if (fields.setFormatHigh.get(input, 0) !== 0) return HvStatus.InvalidParameter;
    if (format === VpSetFormat.All) {
      this.#choose(~0, ~0);
      return HvStatus.Success;
    }
    if (format !== VpSetFormat.Sparse4k) return HvStatus.InvalidParameter;
    const valid = fields.validBankMaskLow.get(input, 0);
    const banks = bitCount(valid) + bitCount(fields.validBankMaskHigh.get(input, 0));
    if (banks !== variableHeaderWords) return HvStatus.InvalidHypercallInput;
    const first = (valid & 1) !== 0;
    this.#choose(first ? input.getUint32(banksAt, true) : 0, first ? input.getUint32(banksAt + 4, true) : 0);
    return HvStatus.Success;
  }

  #names(index: number): boolean {
    return ((index < 32 ? this.#low : this.#high) & (1 << (index & 31))) !== 0;
  }
}

function bitCount(word: number): number {
  let count = 0;
  for (let left = word; left !== 0; left &= left - 1) count++;
  return count;
}
