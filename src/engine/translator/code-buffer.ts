/** WebAssembly bytes under construction [WebAssembly Core Specification 2.0, section 5]. */

export class CodeBuffer {
  #bytes = new Uint8Array(1 << 12);
  #length = 0;

  get length(): number { return this.#length; }

  clear(): void { this.#length = 0; }

  /** The bytes so far; valid until more are written. */
  get bytes(): Uint8Array { return this.#bytes.subarray(0, this.#length); }

  byte(value: number): void {
    if (this.#length === this.#bytes.length) {
      const grown = new Uint8Array(this.#bytes.length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes[this.#length++] = value;
  }

  /** An instruction; of vector instructions the prefix and their number. */
  opcode(value: number): void {
    if (value < 0x100) return this.byte(value);
    this.byte(value >> 12);
    this.unsigned(value & 0xfff);
  }

  /** A constant f64. */
  float64(value: number): void {
    this.byte(0x44);
    this.append(new Uint8Array(new Float64Array([value]).buffer));
  }

  /** An unsigned 32-bit number as LEB128. */
  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** A signed number of 64 bits, in two words, as LEB128. */
  signed(low: number, high: number): void {
    let lower = low | 0;
    let upper = high | 0;
    while (true) {
      const group = lower & 0x7f;
      lower = (lower >>> 7) | (upper << 25);
      upper >>= 7;
      const done = (lower === 0 && upper === 0 && group < 0x40) || (lower === -1 && upper === -1 && group >= 0x40);
      this.byte(done ? group : group | 0x80);
      if (done) return;
    }
  }

  constant32(value: number): void {
    this.byte(0x41);
    this.signed(value | 0, value >> 31);
  }

  constant64(low: number, high: number): void {
    this.byte(0x42);
    this.signed(low, high);
  }

  /** A load or store: alignment hint 0, which is always right, and the offset. */
  memory(opcode: number, offset: number): void {
    this.opcode(opcode);
    this.byte(0);
    this.unsigned(offset);
  }

  /** Pushes what lies at an address that is known. */
  loadFrom(address: number, opcode: number): void {
    this.constant32(0);
    this.memory(opcode, address);
  }

  append(bytes: Uint8Array): void {
    while (this.#length + bytes.length > this.#bytes.length) {
      const grown = new Uint8Array(this.#bytes.length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  text(value: string): void {
    this.unsigned(value.length);
    for (let n = 0; n < value.length; n++) this.byte(value.charCodeAt(n));
  }
}
