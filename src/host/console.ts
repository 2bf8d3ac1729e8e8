/**
 * A VM's serial console as a stream that outlives the guest's restarts, as a cable would. Until somebody reads it the
 * last of what the guest wrote is kept; from then on a reader that falls behind slows the guest, and nothing is lost.
 */
import { Duplex } from 'node:stream';
import { callbackify } from 'node:util';

/** What is kept for the first reader. */
const KEPT_BYTES = 65_536;

export class Console extends Duplex {
  readonly #type: (bytes: Uint8Array) => Promise<void>;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #isRead = false;
  #wanted: (() => void) | undefined;

  /** @param type hands bytes to the guest. */
  constructor(type: (bytes: Uint8Array) => Promise<void>) {
    super({ allowHalfOpen: true });
    this.#type = type;
  }

  /** What the guest wrote; resolves when the next may come. */
  async output(bytes: Uint8Array): Promise<void> {
    if (this.destroyed) return;
    if (!this.#isRead) {
      this.#keep(bytes);
      return;
    }
    if (!this.push(bytes)) await new Promise<void>((resolve) => { this.#wanted = resolve; });
  }

  override _read(): void {
    this.#isRead = true;
    for (const bytes of this.#kept.splice(0)) this.push(bytes);
    this.#wanted?.();
    this.#wanted = undefined;
  }

  /** What is typed while no guest runs is lost, as at a machine without power. */
  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    callbackify(() => this.#type(bytes))(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#wanted?.();
    done(error);
  }

  #keep(bytes: Uint8Array): void {
    this.#kept.push(bytes.slice());
    this.#keptBytes += bytes.length;
    while (this.#keptBytes - (this.#kept[0]?.length ?? 0) >= KEPT_BYTES) {
      this.#keptBytes -= this.#kept.shift()?.length ?? 0;
    }
  }
}
