/**
 * Ownership of several things at once: what was added is closed in the opposite order, everything even when some fail.
 * `AsyncDisposableStack` does this in newer Node versions and is missing in Node 20.
 */

type Close = () => void | PromiseLike<void>;

/**
 * Collects what an owner must close.
 * @example
 * await using owned = new Disposables();
 * const file = owned.use(await openFile(path));
 * owned.defer(() => rm(folder));
 */
export class Disposables implements AsyncDisposable {
  #closers: Close[] = [];

  /** Owns `value` from now on, and returns it. */
  use<T extends Disposable | AsyncDisposable>(value: T): T {
    this.#closers.push(() => (Symbol.asyncDispose in value ? value[Symbol.asyncDispose]() : value[Symbol.dispose]()));
    return value;
  }

  /** Calls `close` when the rest is closed. */
  defer(close: Close): void {
    this.#closers.push(close);
  }

  /** Hands everything over to a new owner; this one then owns nothing. For constructors that may fail half-way. */
  move(): Disposables {
    const next = new Disposables();
    next.#closers = this.#closers;
    this.#closers = [];
    return next;
  }

  /** Closes everything, last first, then throws the first failure if there was one. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
