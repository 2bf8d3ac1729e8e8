/** The owner's end of a stream to the guest: what is written goes through calls, what is read comes through them. */
import { Duplex } from 'node:stream';
import { callbackify } from 'node:util';
import type { Link } from './link.ts';
import type { MachineCalls } from './machine-calls.ts';

type Done = (error?: Error | null) => void;

export class RemoteStream extends Duplex {
  readonly #link: Link<MachineCalls>;
  readonly #number: number;
  #wanted: (() => void) | undefined;
  #isGone = false;
  #hasEnd = false;

  constructor(link: Link<MachineCalls>, number: number) {
    super({ allowHalfOpen: true });
    this.#link = link;
    this.#number = number;
    // A program that does not care for errors must not end by them.
    this.on('error', () => {});
  }

  /** Bytes of the guest; resolves when the reader wants more. */
  async takeData(bytes: Uint8Array): Promise<void> {
    if (this.destroyed || this.push(bytes)) return;
    await new Promise<void>((resolve) => { this.#wanted = resolve; });
  }

  takeEnd(): void {
    if (this.#hasEnd || this.destroyed) return;
    this.#hasEnd = true;
    this.push(null);
  }

  /** The machine's end is closed: nothing is to be said to it any more. */
  takeClose(): void {
    this.#isGone = true;
    this.takeEnd();
  }

  /** The machine is gone. */
  abandon(): void {
    this.#isGone = true;
    this.destroy(new Error('the virtual machine is not there any more'));
  }

  override _read(): void {
    this.#wanted?.();
    this.#wanted = undefined;
  }

  override _write(bytes: Uint8Array, _encoding: string, done: Done): void {
    this.#send(bytes, done);
  }

  override _writev(chunks: readonly { readonly chunk: Uint8Array }[], done: Done): void {
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: Done): void {
    callbackify(() => this.#tell('end'))(done);
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#wanted?.();
    void this.#tell('destroy');
    done(error);
  }

  #send(bytes: Uint8Array, done: Done): void {
    callbackify(() => this.#link.call('write', this.#number, bytes))(done);
  }

  /** A machine that is gone need not be told. */
  async #tell(what: 'end' | 'destroy'): Promise<void> {
    if (!this.#isGone) await this.#link.call(what, this.#number).catch(() => {});
  }
}
