/**
 * Calls between two ends that share no memory: each end has functions that the other calls by name, with plain values
 * that are copied on the way. A call that fails there fails here; when the other end is gone, every open call does.
 *
 *     { kind: 'call', number, name, values }  ──►
 *                          ◄──  { kind: 'answer', number, value } | { kind: 'failure', number, failure }
 */
import { type ErrorCode, OperatingError } from '../../kit/errors.ts';

/** What carries messages, in order. */
export interface LinkPort {
  post(message: LinkMessage): void;
  listen(onMessage: (message: LinkMessage) => void, onClose: () => void): void;
  close(): void;
}

/** An error as a value. */
interface Failure {
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly stack: string | undefined;
}

export type LinkMessage =
  | { readonly kind: 'call'; readonly number: number; readonly name: string; readonly values: readonly unknown[] }
  | { readonly kind: 'answer'; readonly number: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly number: number; readonly failure: Failure };

type Calls<T> = { readonly [Name in keyof T]: (...values: never[]) => unknown };
type AnyCall = (...values: unknown[]) => unknown;

interface OpenCall {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** One end. `Theirs` are the functions of the other. */
export class Link<Theirs extends Calls<Theirs>> {
  /** Resolves when the other end is gone, or `close` was called. */
  readonly closed: Promise<void>;
  readonly #port: LinkPort;
  readonly #mine: Readonly<Record<string, AnyCall>>;
  readonly #open = new Map<number, OpenCall>();
  #number = 0;
  #isClosed = false;
  #close!: () => void;

  /** @param mine the functions that the other end may call; anything else is refused. */
  constructor(port: LinkPort, mine: object) {
    this.#port = port;
    this.#mine = mine as Readonly<Record<string, AnyCall>>;
    this.closed = new Promise((resolve) => { this.#close = resolve; });
    port.listen((message) => this.#take(message), () => this.#end());
  }

  /** Calls a function of the other end. */
  call<Name extends keyof Theirs & string>(
    name: Name, ...values: Parameters<Theirs[Name]>
  ): Promise<Awaited<ReturnType<Theirs[Name]>>> {
    if (this.#isClosed) return Promise.reject(gone());
    const number = ++this.#number;
    return new Promise((resolve, reject) => {
      this.#open.set(number, { resolve: resolve as (value: unknown) => void, reject });
      this.#port.post({ kind: 'call', number, name, values });
    });
  }

  close(): void {
    this.#port.close();
    this.#end();
  }

  #end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { reject } of this.#open.values()) reject(gone());
    this.#open.clear();
    this.#close();
  }

  #take(message: LinkMessage): void {
    if (this.#isClosed) return;
    if (message.kind === 'call') {
      void this.#carryOut(message.number, message.name, message.values);
      return;
    }
    const call = this.#open.get(message.number);
    this.#open.delete(message.number);
    if (message.kind === 'answer') call?.resolve(message.value);
    else call?.reject(errorOf(message.failure));
  }

  async #carryOut(number: number, name: string, values: readonly unknown[]): Promise<void> {
    try {
      const call = Object.hasOwn(this.#mine, name) ? this.#mine[name] : undefined;
      if (call === undefined) throw new Error(`there is no ${name} to call`);
      const value = await call(...values);
      if (!this.#isClosed) this.#port.post({ kind: 'answer', number, value });
    } catch (error) {
      if (!this.#isClosed) this.#port.post({ kind: 'failure', number, failure: failureOf(error) });
    }
  }
}

function gone(): OperatingError {
  return new OperatingError('host', 'the virtual machine is not there any more: it was stopped, or its process ended');
}

function failureOf(error: unknown): Failure {
  const code = error instanceof OperatingError ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return { code, message, stack: error instanceof Error ? error.stack : undefined };
}

function errorOf({ code, message, stack }: Failure): Error {
  if (code !== undefined) return new OperatingError(code, message);
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
