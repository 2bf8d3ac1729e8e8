/**
 * Which port a MAC address of a VLAN is behind [IEEE 802.1Q 8.7; 8.8]: those that NICs were given stay, those that were
 * heard are bounded for each port and forgotten after a while. Each address belongs to one of a few generations, which
 * count up when what is known of it changes: what was decided from the table is as old as its generations.
 */

export const MAXIMUM_MACS_PER_PORT = 1024;
export const MAXIMUM_MACS = 0x1_0000;
export const AGE_SECONDS = 300;
const BUCKETS = 1024;
const FIRST_CAPACITY = 256;
const FREE = -1;
const REMOVED = -2;
/** Heard at no time: an address that was given. */
const ALWAYS = -1;

export interface MacEntry {
  readonly vlan: number;
  readonly mac: number;
  readonly port: number;
  /** Undefined: given, and never forgotten. */
  readonly heardSeconds: number | undefined;
}

/** Keys are (VLAN << 16 | high 16 bits) and the low 32 bits of the address; ports are numbers. */
export class MacTable {
  /** By bucket. */
  readonly generations = new Int32Array(BUCKETS);
  /** By slot: when it was last heard, in seconds; those that were given are ALWAYS. */
  heard = new Float64Array(FIRST_CAPACITY);
  #high = new Int32Array(FIRST_CAPACITY);
  #low = new Int32Array(FIRST_CAPACITY);
  #port = new Int32Array(FIRST_CAPACITY).fill(FREE);
  #used = 0;
  #count = 0;
  readonly #perPort = new Map<number, number>();

  get size(): number {
    return this.#count;
  }

  bucketOf(high: number, low: number): number {
    return hash(high, low) >>> 22;
  }

  /** The slot of an address; -1 when it is not known. One that is too old is known until `expire` is called. */
  find(high: number, low: number): number {
    const mask = this.#port.length - 1;
    for (let slot = hash(high, low) & mask; ; slot = (slot + 1) & mask) {
      const port = this.#port[slot] as number;
      if (port === FREE) return -1;
      if (port !== REMOVED && this.#high[slot] === high && this.#low[slot] === low) return slot;
    }
  }

  portOf(slot: number): number {
    return this.#port[slot] as number;
  }

  isGiven(slot: number): boolean {
    return this.heard[slot] === ALWAYS;
  }

  /** An address that was given to the NIC of a port. */
  give(high: number, low: number, port: number): void {
    const known = this.find(high, low);
    if (known >= 0) this.#remove(known);
    this.#insert(high, low, port, ALWAYS);
  }

  /** The slot of an address that was heard on a port; -1: it is somebody else's for good, or the port has too many. */
  learn(high: number, low: number, port: number, nowSeconds: number): number {
    const known = this.find(high, low);
    if (known >= 0) {
      if (this.#port[known] === port) {
        if (!this.isGiven(known)) this.heard[known] = nowSeconds;
        return known;
      }
      if (this.isGiven(known)) return -1;
    }
    if (!this.#hasRoom(port, nowSeconds)) return -1;
    if (known >= 0) this.#remove(known);
    return this.#insert(high, low, port, nowSeconds);
  }

  /** Whatever was behind a port. */
  forget(port: number): void {
    this.#removeWhere((slot) => this.#port[slot] === port);
  }

  /** What was not heard of for too long. */
  expire(nowSeconds: number): void {
    this.#removeWhere((slot) => !this.#isFresh(slot, nowSeconds));
  }

  entries(): MacEntry[] {
    const entries: MacEntry[] = [];
    this.#port.forEach((port, slot) => {
      if (port < 0) return;
      const high = this.#high[slot] as number;
      const heard = this.heard[slot] as number;
      entries.push({
        vlan: high >>> 16, mac: (high & 0xffff) * 0x1_0000_0000 + ((this.#low[slot] as number) >>> 0), port,
        heardSeconds: heard === ALWAYS ? undefined : heard,
      });
    });
    return entries;
  }

  #hasRoom(port: number, nowSeconds: number): boolean {
    if ((this.#perPort.get(port) ?? 0) < MAXIMUM_MACS_PER_PORT && this.#count < MAXIMUM_MACS) return true;
    this.#removeWhere((slot) => this.#port[slot] === port && !this.#isFresh(slot, nowSeconds));
    return (this.#perPort.get(port) ?? 0) < MAXIMUM_MACS_PER_PORT && this.#count < MAXIMUM_MACS;
  }

  #isFresh(slot: number, nowSeconds: number): boolean {
    const heard = this.heard[slot] as number;
    return heard === ALWAYS || nowSeconds - heard <= AGE_SECONDS;
  }

  #insert(high: number, low: number, port: number, heard: number): number {
    if ((this.#used + 1) * 2 > this.#port.length) this.#rebuild();
    const slot = this.#place(high, low, port, heard);
    this.#count++;
    this.#perPort.set(port, (this.#perPort.get(port) ?? 0) + 1);
    this.#changed(high, low);
    return slot;
  }

  #place(high: number, low: number, port: number, heard: number): number {
    const mask = this.#port.length - 1;
    let slot = hash(high, low) & mask;
    while ((this.#port[slot] as number) !== FREE) slot = (slot + 1) & mask;
    this.#high[slot] = high;
    this.#low[slot] = low;
    this.#port[slot] = port;
    this.heard[slot] = heard;
    this.#used++;
    return slot;
  }

  #remove(slot: number): void {
    const port = this.#port[slot] as number;
    this.#perPort.set(port, (this.#perPort.get(port) ?? 1) - 1);
    this.#port[slot] = REMOVED;
    this.#count--;
    this.#changed(this.#high[slot] as number, this.#low[slot] as number);
  }

  #removeWhere(matches: (slot: number) => boolean): void {
    for (let slot = 0; slot < this.#port.length; slot++) {
      if ((this.#port[slot] as number) >= 0 && matches(slot)) this.#remove(slot);
    }
  }

  /** Without what was removed, and twice as large if need be. Slots change: every generation counts up. */
  #rebuild(): void {
    const old = { port: this.#port, high: this.#high, low: this.#low, heard: this.heard };
    const capacity = this.#count * 4 > old.port.length ? old.port.length * 2 : old.port.length;
    this.#port = new Int32Array(capacity).fill(FREE);
    this.#high = new Int32Array(capacity);
    this.#low = new Int32Array(capacity);
    this.heard = new Float64Array(capacity);
    this.#used = 0;
    old.port.forEach((port, slot) => {
      if (port >= 0) this.#place(old.high[slot] as number, old.low[slot] as number, port, old.heard[slot] as number);
    });
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.#bump(bucket);
  }

  #changed(high: number, low: number): void {
    this.#bump(this.bucketOf(high, low));
  }

  #bump(bucket: number): void {
    this.generations[bucket] = ((this.generations[bucket] as number) + 1) | 0;
  }
}

/** All bits of the key reach all bits of the number. */
function hash(high: number, low: number): number {
  let mixed = Math.imul(high ^ Math.imul(low, 0x9e37_79b1), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
