/** What a controller has at a logical unit number: a disk or a DVD drive. */

import type { UnitRequest } from './unit-request.ts';
import type { UnitState } from './unit-state.ts';

/** What becomes of a command beside success and sense data, which are numbers of `Sense`. */
export const Outcome = {
  /** There is no such unit: the guest takes it away. */
  NoUnit: -1,
  /** A reservation is in the way. */
  ReservationConflict: -2,
  /** Not now: the unit's limits. The request stays, and nothing was done. */
  Later: -3,
  /** The host has no room. The request stays; what it did is done again. */
  HostFull: -4,
} as const;

export interface Unit {
  readonly state: UnitState;
  /** Something was written that may be lost with this thread. */
  readonly isUnsettled: boolean;
  /** Carries out the command; a number of `Sense` or an `Outcome`. */
  execute(request: UnitRequest): number;
  /** Before the guest is told that writes are done; a number of `Sense` or `Outcome.HostFull`. */
  settle(): number;
  /** For people. */
  inspect(): object;
}
