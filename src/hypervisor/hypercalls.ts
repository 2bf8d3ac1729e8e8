/**
 * Hypercalls: the control word is checked, the input copied out of guest memory once, the call looked up by code and
 * answered with a status [TLFS 3]. Calls themselves are definitions that their parts bring (messages and events, TLB
 * flushes, …); a code without a definition is answered HV_STATUS_INVALID_HYPERCALL_CODE.
 */
import { HvStatus, HypercallControlHigh, HypercallControlLow } from '../protocols/tlfs/hypercalls.ts';
import type { ProcessorEngine } from './engine-port.ts';
import type { GuestMemory } from './guest-memory.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const R8 = 8;
const PAGE_SIZE = 4096;
const FAST_INPUT_SIZE = 16;

/** What a call works on. The same object is used for every call of a processor. */
export interface HypercallFrame {
  readonly vpIndex: number;
  /** The copied input: `inputBytes` of header, then variable header and list, up to the end of the guest's page. */
  readonly input: DataView;
  readonly inputLength: number;
  /** Copied to the guest after a call that succeeds, `outputBytes` of it. */
  readonly output: DataView;
  readonly variableHeaderWords: number;
  readonly repStart: number;
  readonly repCount: number;
  /** A repeating call counts here what it has done, from `repStart` on. */
  repsDone: number;
}

export interface HypercallDefinition {
  readonly code: number;
  /** Bytes of fixed input. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** Bytes of a list element: a repeating call. 0: a simple one. */
  readonly repBytes: number;
  readonly variableHeader: boolean;
  run(frame: HypercallFrame): HvStatus;
}

export class HypercallDispatcher {
  readonly #definitions = new Map<number, HypercallDefinition>();
  readonly #memory: GuestMemory;
  readonly #engine: ProcessorEngine;
  readonly #frame: { -readonly [K in keyof HypercallFrame]: HypercallFrame[K] };
  readonly #inputBytes = new Uint8Array(PAGE_SIZE);
  readonly #outputBytes = new Uint8Array(PAGE_SIZE);
  #lastStatus: number = HvStatus.Success;

  constructor(options: {
    engine: ProcessorEngine; memory: GuestMemory; index: number; definitions: readonly HypercallDefinition[];
  }) {
    this.#engine = options.engine;
    this.#memory = options.memory;
    for (const definition of options.definitions) this.#definitions.set(definition.code, definition);
    this.#frame = {
      vpIndex: options.index, input: new DataView(this.#inputBytes.buffer), inputLength: 0,
      output: new DataView(this.#outputBytes.buffer), variableHeaderWords: 0, repStart: 0, repCount: 0, repsDone: 0,
    };
  }

  /** The status of the last call. */
  get lastStatus(): number {
    return this.#lastStatus;
  }

  /** Answers the hypercall in the engine's registers: the result is left in RAX. Returns the call's code. */
  dispatch(): number {
    const control = this.#engine.readRegister(RCX);
    const status = this.#call(control.low, control.high);
    this.#lastStatus = status;
    this.#engine.writeRegister(RAX, status, this.#frame.repsDone);
    return control.low & HypercallControlLow.CodeMask;
  }

  #call(low: number, high: number): HvStatus {
    const frame = this.#frame;
    frame.repsDone = 0;
    const definition = this.#definitions.get(low & HypercallControlLow.CodeMask);
    if (definition === undefined) return HvStatus.InvalidHypercallCode;
    if ((low & (HypercallControlLow.ReservedMask | HypercallControlLow.Nested)) !== 0) {
      return HvStatus.InvalidHypercallInput;
    }
    if ((high & HypercallControlHigh.ReservedMask) !== 0) return HvStatus.InvalidHypercallInput;
    frame.variableHeaderWords =
      (low >> HypercallControlLow.VariableHeaderShift) & HypercallControlLow.VariableHeaderMask;
    frame.repCount = high & HypercallControlHigh.RepCountMask;
    frame.repStart = (high >> HypercallControlHigh.RepStartShift) & HypercallControlHigh.RepStartMask;
    if (!definition.variableHeader && frame.variableHeaderWords !== 0) return HvStatus.InvalidHypercallInput;
    if (definition.repBytes === 0 ? (frame.repCount | frame.repStart) !== 0 : frame.repStart >= frame.repCount) {
      return HvStatus.InvalidHypercallInput;
    }
    frame.repsDone = frame.repStart;
    const length = definition.inputBytes + frame.variableHeaderWords * 8 + frame.repCount * definition.repBytes;
    const fast = (low & HypercallControlLow.Fast) !== 0;
    const failure = fast ? this.#takeFast(definition, length) : this.#takeSlow(length);
    if (failure !== HvStatus.Success) return failure;
    frame.inputLength = length;
    if (definition.outputBytes === 0) return definition.run(frame);
    return this.#runWithOutput(definition);
  }

  /** Fast input lies in RDX and R8; there is no room for output. */
  #takeFast(definition: HypercallDefinition, length: number): HvStatus {
    if (length > FAST_INPUT_SIZE || definition.outputBytes > 0) return HvStatus.InvalidHypercallInput;
    const input = this.#frame.input;
    const first = this.#engine.readRegister(RDX);
    const second = this.#engine.readRegister(R8);
    input.setUint32(0, first.low, true);
    input.setUint32(4, first.high, true);
    input.setUint32(8, second.low, true);
    input.setUint32(12, second.high, true);
    return HvStatus.Success;
  }

  /** Copies the input from the page that RDX points into. */
  #takeSlow(length: number): HvStatus {
    if (length === 0) return HvStatus.Success;
    const at = this.#guestOffset(RDX, length);
    if (at < 0) return HvStatus.InvalidAlignment;
    this.#inputBytes.set(new Uint8Array(this.#memory.buffer, at, length));
    return HvStatus.Success;
  }

  #runWithOutput(definition: HypercallDefinition): HvStatus {
    const at = this.#guestOffset(R8, definition.outputBytes);
    if (at < 0) return HvStatus.InvalidAlignment;
    this.#outputBytes.fill(0, 0, definition.outputBytes);
    const status = definition.run(this.#frame);
    if (status === HvStatus.Success) {
      new Uint8Array(this.#memory.buffer, at, definition.outputBytes)
        .set(this.#outputBytes.subarray(0, definition.outputBytes));
      const { low, high } = this.#engine.readRegister(R8);
      this.#engine.memoryChanged(toAddress(low, high), definition.outputBytes);
    }
    return status;
  }

  /** Buffer offset of `length` bytes at the address in a register: 8-aligned, within one page, RAM; else -1. */
  #guestOffset(register: number, length: number): number {
    const { low, high } = this.#engine.readRegister(register);
    if ((low & 7) !== 0 || (low & (PAGE_SIZE - 1)) + length > PAGE_SIZE) return -1;
    return this.#memory.offsetOf(toAddress(low, high), length);
  }
}

function toAddress(low: number, high: number): number {
  return (high >>> 0) * 0x1_0000_0000 + (low >>> 0);
}
