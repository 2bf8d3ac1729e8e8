/** What a file of fuzz/ exports: one thing that must withstand any input. */

export interface FuzzTarget {
  readonly name: string;
  /**
   * Tries `iterations` inputs that follow from the seed alone, and throws when one of them breaks what must hold. May
   * be asynchronous.
   */
  run(seed: number, iterations: number): void | Promise<void>;
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
