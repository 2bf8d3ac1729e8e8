/**
 * A partition's saved state: everything in the control buffer that is not about threads, as values by name, with each
 * processor's architectural state from its engine. Guest memory is saved by whoever owns it. Versioned: a newer
 * version is refused; older ones migrate by pure steps once there are any.
 */
import type { Of } from '../wire/struct.ts';
import type { ControlBuffer } from './control-buffer.ts';
import type { ProcessorState } from './engine-port.ts';
import type { Message } from './message-ring.ts';
import { readMessages, writeMessages } from './message-state.ts';
import { PARTITION_REGISTERS_OFFSET, PartitionRegisters, VpRegisters } from './partition-layout.ts';

export const PARTITION_STATE_VERSION = 1;

export interface PartitionState {
  readonly version: number;
  /** Virtual nanoseconds when it was saved. */
  readonly timeNs: number;
  readonly partition: Of<typeof PartitionRegisters>;
  readonly processors: readonly { readonly registers: Of<typeof VpRegisters>; readonly engine: ProcessorState }[];
  readonly messages: MessageState;
}

/** Messages on their way when the partition was paused. */
export interface MessageState {
  /** From the guest, not yet taken by their port. */
  readonly posted: readonly Message[];
  /** To the guest, waiting for their slot. */
  readonly queued: readonly {
    readonly processor: number; readonly sint: number; readonly messages: readonly Message[];
  }[];
}

/** The values of the control buffer. Every processor is paused. */
export function readControlState(control: ControlBuffer): {
  partition: Of<typeof PartitionRegisters>; processors: Of<typeof VpRegisters>[]; messages: MessageState;
} {
  const processors: Of<typeof VpRegisters>[] = [];
  for (let i = 0; i < control.processorCount; i++) {
    processors.push(VpRegisters.decode(control.view, control.vpRegistersOffset(i)));
  }
  const partition = PartitionRegisters.decode(control.view, PARTITION_REGISTERS_OFFSET);
  return { partition, processors, messages: readMessages(control) };
}

/**
 * Puts the values of a state into the control buffer. Every processor is paused.
 * @throws Error when the state is of a newer version or of a partition with another number of processors.
 */
export function writeControlState(control: ControlBuffer, state: PartitionState): void {
  if (state.version !== PARTITION_STATE_VERSION) {
    throw new Error(`this partition state has version ${state.version}; this program reads version ` +
      `${PARTITION_STATE_VERSION}: restore it with the program that saved it or a newer one`);
  }
  if (state.processors.length !== control.processorCount) {
    throw new Error(`this partition state has ${state.processors.length} processors, the partition ` +
      `${control.processorCount}: create it with as many`);
  }
  PartitionRegisters.encode(control.view, PARTITION_REGISTERS_OFFSET, state.partition);
  for (let i = 0; i < control.processorCount; i++) {
    const { registers } = state.processors[i] as PartitionState['processors'][number];
    VpRegisters.encode(control.view, control.vpRegistersOffset(i), registers);
  }
  writeMessages(control, state.messages);
}
