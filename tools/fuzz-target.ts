/** What a file of fuzz/ exports: one thing that must withstand any input. */

export interface FuzzTarget {
  readonly name: string;
  /** The code under test: what its sources' paths begin with, such as `src/vmbus/ring`. */
  readonly covers?: readonly string[];
  /**
   * Tries `iterations` inputs that follow from the seed alone, and throws when one of them breaks what must hold. May
   * be asynchronous.
   */
  run(seed: number, iterations: number, tally: Tally): void | Promise<void>;
}

/** Counts inputs. A valid one is what a good guest, peer or tool could send as it is. */
export class Tally {
  inputs = 0;
  valid = 0;

  input(valid: boolean): void {
    this.inputs++;
    if (valid) this.valid++;
  }
}

/** The targets among what a module exports: a default export, named ones, or the module itself. */
export function targetsOf(module: Readonly<Record<string, unknown>>): FuzzTarget[] {
  return [module, ...Object.values(module)].filter(isTarget);
}

function isTarget(value: unknown): value is FuzzTarget {
  if (typeof value !== 'object' || value === null) return false;
  const { name, run } = value as Readonly<Record<string, unknown>>;
  return typeof name === 'string' && typeof run === 'function';
}
