/**
 * Assertions on our own program. They stay on in production: a worker that finds itself wrong ends rather than goes on
 * with broken state. Never assert on what a guest, a file or a user controls.
 */

/** A mistake in the program, not in its input. */
export class AssertionFailure extends Error {
  constructor(message: string) {
    super(`this should be impossible: ${message}`);
    this.name = 'AssertionFailure';
  }
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/** The end of an exhaustive `switch`: the compiler proves that it is not reached, and so does this. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`no case for ${JSON.stringify(value)}`);
}
