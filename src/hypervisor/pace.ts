/**
 * What makes time pass for a processor whose time is not the host's, and brings it what comes from outside: on its own
 * thread, between two slices of guest code, so that everything happens at a place in the run that can be found again.
 */
export interface Pace {
  /** Does what is due at virtual time `nowNs`. */
  expire(nowNs: number): void;
  /**
   * The processor has nothing to do before `deadlineNs`: lets time pass until then, or until something else is due.
   * False when nothing ever is.
   */
  skip(nowNs: number, deadlineNs: number): boolean;
}
