/**
 * The framing of the GDB remote protocol [Debugging with GDB, appendix E.1]: `$data#checksum`, acknowledgements, the
 * escape character, and the interrupt byte between packets. Bytes come from the network: nothing of them throws.
 */

const DOLLAR = 0x24;
const HASH = 0x23;
const ESCAPE = 0x7d;
const STAR = 0x2a;
const INTERRUPT = 0x03;
const MINUS = 0x2d;

/** The most bytes of one packet's data; what the session announces as PacketSize. */
export const MAXIMUM_PACKET = 16_384;

export type Received =
  | { readonly kind: 'packet'; readonly data: Buffer }
  /** A packet whose checksum is wrong, or that is too long. */
  | { readonly kind: 'damaged' }
  | { readonly kind: 'interrupt' }
  /** The other side did not understand our last packet. */
  | { readonly kind: 'again' };

export class PacketStream {
  #state: 'between' | 'data' | 'first' | 'second' = 'between';
  readonly #data: number[] = [];
  #escaped = false;
  #tooLong = false;
  #sum = 0;
  #claimed = 0;

  /** What the bytes complete, in order. */
  *take(bytes: Uint8Array): Generator<Received> {
    for (const byte of bytes) {
      const received = this.#byte(byte);
      if (received !== undefined) yield received;
    }
  }

  #byte(byte: number): Received | undefined {
    switch (this.#state) {
      case 'between':
        if (byte === DOLLAR) this.#begin();
        else if (byte === INTERRUPT) return { kind: 'interrupt' };
        else if (byte === MINUS) return { kind: 'again' };
        return undefined;
      case 'data':
        if (byte === HASH) this.#state = 'first';
        else this.#add(byte);
        return undefined;
      case 'first':
        this.#claimed = digitOf(byte) * 16;
        this.#state = 'second';
        return undefined;
      case 'second':
        this.#state = 'between';
        // An invalid digit makes NaN, which equals nothing.
        if (this.#tooLong || this.#claimed + digitOf(byte) !== this.#sum) return { kind: 'damaged' };
        return { kind: 'packet', data: Buffer.from(this.#data) };
      default:
        return this.#state satisfies never;
    }
  }

  #begin(): void {
    this.#state = 'data';
    this.#data.length = 0;
    this.#escaped = false;
    this.#tooLong = false;
    this.#sum = 0;
  }

  #add(byte: number): void {
    this.#sum = (this.#sum + byte) & 0xff;
    if (byte === ESCAPE && !this.#escaped) {
      this.#escaped = true;
      return;
    }
    if (this.#data.length >= MAXIMUM_PACKET) this.#tooLong = true;
    else this.#data.push(this.#escaped ? byte ^ 0x20 : byte);
    this.#escaped = false;
  }
}

/** A packet around `data`, escaped where it must be. */
export function framed(data: Buffer): Buffer {
  const body: number[] = [];
  for (const byte of data) {
    if (byte === DOLLAR || byte === HASH || byte === ESCAPE || byte === STAR) body.push(ESCAPE, byte ^ 0x20);
    else body.push(byte);
  }
  const sum = body.reduce((total, byte) => (total + byte) & 0xff, 0);
  return Buffer.from([DOLLAR, ...body, HASH, ...Buffer.from(sum.toString(16).padStart(2, '0'))]);
}

function digitOf(byte: number): number {
  return /[0-9a-f]/i.test(String.fromCharCode(byte)) ? Number.parseInt(String.fromCharCode(byte), 16) : NaN;
}
