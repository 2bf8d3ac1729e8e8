/** What becomes of frames of a kind. Made once, never changed, and good while the generations are what they were. */
import type { Dependencies } from './flow-cache.ts';
import type { DropCause } from './port-counters.ts';
import type { SwitchPort } from './switch-port.ts';

/** In which form a port gets a frame. */
export const FrameForm = {
  /** As it came. */
  Same: 0,
  /** Without its tag. */
  Plain: 1,
  /** With a tag of `control`, in place of the one it has or where it had none. */
  Tagged: 2,
} as const;
export type FrameForm = (typeof FrameForm)[keyof typeof FrameForm];

export interface Target {
  readonly port: SwitchPort;
  readonly form: FrameForm;
  readonly control: number;
}

export interface Decision {
  /** Undefined: it is forwarded. */
  readonly cause: DropCause | undefined;
  readonly vlan: number;
  readonly targets: readonly Target[];
  /** Ports that get a copy as it came. */
  readonly mirrors: readonly SwitchPort[];
  /** It goes to several for want of knowing better, or because its address is a group's: storm limits count it. */
  readonly isFlood: boolean;
  /** Slot of the source in the table of addresses; -1: it was not learned. */
  readonly sourceSlot: number;
  readonly learningRefused: boolean;
  readonly depends: Dependencies;
}

/** Whether two decisions come to the same. */
export function sameDecision(a: Decision, b: Decision): boolean {
  return a.cause === b.cause && a.vlan === b.vlan && a.isFlood === b.isFlood &&
    a.targets.length === b.targets.length && a.mirrors.length === b.mirrors.length &&
    a.targets.every((target, i) => {
      const other = b.targets[i] as Target;
      return target.port === other.port && target.form === other.form && target.control === other.control;
    }) && a.mirrors.every((port, i) => port === b.mirrors[i]);
}
