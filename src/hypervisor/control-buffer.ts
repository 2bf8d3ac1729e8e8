/**
 * The control buffer with its typed views: what every part of the microkernel is constructed with, on any thread. The
 * layout, and who may change what, is in partition-layout.ts.
 */
import {
  connectionOffset, doorbellOffset, flagsOffset, POSTED_RING_OFFSET, queueOffset, signalsOffset,
} from './messaging-layout.ts';
import {
  CONTROL_MAGIC, controlBufferSize, MAILBOX_OFFSET, MAILBOX_SIZE, MAX_PROCESSORS, messagingOffset,
  PARTITION_REGISTERS_OFFSET, PartitionControl, PartitionRegisters, PROCESSOR_STRIDE, PROCESSORS_OFFSET,
  VP_REGISTERS_OFFSET,
} from './partition-layout.ts';

export class ControlBuffer {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly floats: Float64Array<SharedArrayBuffer>;
  readonly view: DataView<SharedArrayBuffer>;
  readonly processorCount: number;
  readonly traceEntries: number;
  readonly #messaging: number;

  /** Views of a buffer that `create` made, on this thread. */
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
    this.floats = new Float64Array(buffer);
    this.view = new DataView(buffer);
    if (PartitionControl.magic.get(this.view, 0) !== CONTROL_MAGIC) {
      throw new Error('this buffer is not a control buffer: make one with ControlBuffer.create');
    }
    this.processorCount = PartitionControl.processorCount.get(this.view, 0);
    this.traceEntries = PartitionControl.traceEntries.get(this.view, 0);
    this.#messaging = messagingOffset(this.processorCount, this.traceEntries);
  }

  /** A zeroed control buffer; `traceEntries` is the length of each processor's trace ring, 0 or a power of two. */
  static create(processorCount: number, traceEntries = 0): ControlBuffer {
    if (!Number.isInteger(processorCount) || processorCount < 1 || processorCount > MAX_PROCESSORS) {
      throw new Error(`a partition has 1 to ${MAX_PROCESSORS} processors, not ${processorCount}`);
    }
    if (!Number.isInteger(traceEntries) || traceEntries < 0 || (traceEntries & (traceEntries - 1)) !== 0) {
      throw new Error(`a trace ring has a power of two of entries, or none, not ${traceEntries}`);
    }
    const buffer = new SharedArrayBuffer(controlBufferSize(processorCount, traceEntries));
    PartitionControl.encode(new DataView(buffer), 0, { magic: CONTROL_MAGIC, processorCount, traceEntries });
    return new ControlBuffer(buffer);
  }

  /** Index into `words` of the partition's registers. */
  get partitionRegistersWord(): number {
    return PARTITION_REGISTERS_OFFSET >> 2;
  }

  /** Whether the guest has told what it is (HV_X64_MSR_GUEST_OS_ID), without which it has no hypercalls. */
  get isIdentified(): boolean {
    return PartitionRegisters.guestOsId.get(this.view, PARTITION_REGISTERS_OFFSET) !== 0n;
  }

  /** Index into `words` of processor `index`'s VpControl. */
  vpControlWord(index: number): number {
    return (PROCESSORS_OFFSET + index * PROCESSOR_STRIDE) >> 2;
  }

  /** Index into `words` of processor `index`'s VpRegisters (half of it is the index into `floats`). */
  vpRegistersWord(index: number): number {
    return (PROCESSORS_OFFSET + index * PROCESSOR_STRIDE + VP_REGISTERS_OFFSET) >> 2;
  }

  /** Byte offset of processor `index`'s VpRegisters. */
  vpRegistersOffset(index: number): number {
    return PROCESSORS_OFFSET + index * PROCESSOR_STRIDE + VP_REGISTERS_OFFSET;
  }

  /** Index into `words` of a doorbell. */
  doorbellWord(doorbell: number): number {
    return (this.#messaging + doorbellOffset(doorbell)) >> 2;
  }

  /** Index into `words` of the first word of the signals for a doorbell. */
  signalsWord(doorbell: number): number {
    return (this.#messaging + signalsOffset(doorbell)) >> 2;
  }

  /** Index into `words` of what connection `id` leads to. */
  connectionWord(id: number): number {
    return (this.#messaging + connectionOffset(id)) >> 2;
  }

  /** Byte offset of the ring of messages from the guest. */
  get postedOffset(): number {
    return this.#messaging + POSTED_RING_OFFSET;
  }

  /** Byte offset of the queue of messages to SINT `sint` of processor `index`. */
  queueOffset(index: number, sint: number): number {
    return this.#messaging + queueOffset(index, sint);
  }

  /** Index into `words` of the event flags on their way to SINT `sint` of processor `index`. */
  flagsWord(index: number, sint: number): number {
    return (this.#messaging + flagsOffset(index, sint)) >> 2;
  }

  mailbox(index: number): Uint8Array<SharedArrayBuffer> {
    return new Uint8Array(this.buffer, PROCESSORS_OFFSET + index * PROCESSOR_STRIDE + MAILBOX_OFFSET, MAILBOX_SIZE);
  }
}
