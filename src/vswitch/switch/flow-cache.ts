/**
 * What was decided for frames of a kind, so that the next one is not decided anew. Microflows are found by the whole
 * key; a megaflow holds for every key that is the same under a mask: the bits that the decision was made from. An entry
 * is as good as the generations that it was made under, of the configuration and of what is known about the two
 * addresses: nothing stale is ever found, so that a change holds for the very next frame.
 */
import { KEY_WORDS } from './flow-key.ts';

const MICROFLOWS = 8192;
const MEGAFLOWS = 1024;
/** Kinds of masks that are kept; a policy that makes more of them costs speed and nothing else. */
export const MAXIMUM_MASKS = 64;

/** The generations under which something was decided. Buckets are those of the table of addresses. */
export interface Dependencies {
  configuration: number;
  sourceBucket: number;
  sourceGeneration: number;
  /** -1: nothing was asked about the destination. */
  destinationBucket: number;
  destinationGeneration: number;
}

const INFO_WORDS = 8;
const IN_USE = 7;

/** Two places for each key, of which the older one gives way. */
class FlowTable<D> {
  readonly #size: number;
  readonly #keys: Int32Array;
  readonly #info: Int32Array;
  readonly #decisions: (D | undefined)[];
  #turn = 0;

  constructor(size: number) {
    this.#size = size;
    this.#keys = new Int32Array(size * KEY_WORDS);
    this.#info = new Int32Array(size * INFO_WORDS);
    this.#decisions = new Array<D | undefined>(size).fill(undefined);
  }

  // Hot path: one a frame.
  find(key: Int32Array, words: number, hash: number, configuration: number, generations: Int32Array): D | undefined {
    const mask = this.#size - 1;
    const first = hash & mask;
    if (this.#matches(first, key, words) && this.#isCurrent(first, configuration, generations)) {
      return this.#decisions[first];
    }
    const second = (hash >>> 13) & mask;
    if (this.#matches(second, key, words) && this.#isCurrent(second, configuration, generations)) {
      return this.#decisions[second];
    }
    return undefined;
  }

  insert(key: Int32Array, words: number, hash: number, depends: Dependencies, decision: D): void {
    const mask = this.#size - 1;
    const first = hash & mask;
    const second = (hash >>> 13) & mask;
    let slot = (this.#turn++ & 1) === 0 ? first : second;
    if (this.#isFree(first) || this.#matches(first, key, words)) slot = first;
    else if (this.#isFree(second) || this.#matches(second, key, words)) slot = second;
    for (let i = 0; i < words; i++) this.#keys[slot * KEY_WORDS + i] = key[i] as number;
    const at = slot * INFO_WORDS;
    this.#info[at] = depends.configuration;
    this.#info[at + 1] = depends.sourceBucket;
    this.#info[at + 2] = depends.sourceGeneration;
    this.#info[at + 3] = depends.destinationBucket;
    this.#info[at + 4] = depends.destinationGeneration;
    this.#info[at + IN_USE] = 1;
    this.#decisions[slot] = decision;
  }

  #isFree(slot: number): boolean {
    return this.#info[slot * INFO_WORDS + IN_USE] === 0;
  }

  #matches(slot: number, key: Int32Array, words: number): boolean {
    const at = slot * KEY_WORDS;
    const keys = this.#keys;
    for (let i = 0; i < words; i++) if (keys[at + i] !== key[i]) return false;
    return this.#info[slot * INFO_WORDS + IN_USE] === 1;
  }

  #isCurrent(slot: number, configuration: number, generations: Int32Array): boolean {
    const info = this.#info;
    const at = slot * INFO_WORDS;
    if (info[at] !== configuration || generations[info[at + 1] as number] !== info[at + 2]) return false;
    const destination = info[at + 3] as number;
    return destination < 0 || generations[destination] === info[at + 4];
  }
}

export class FlowCache<D> {
  readonly #microflows = new FlowTable<D>(MICROFLOWS);
  readonly #megaflows: { readonly mask: Int32Array; readonly table: FlowTable<D>; hits: number }[] = [];
  readonly #masked = new Int32Array(KEY_WORDS);
  microHits = 0;
  megaHits = 0;
  misses = 0;

  get maskCount(): number {
    return this.#megaflows.length;
  }

  // Hot path: one a frame.
  find(key: Int32Array, words: number, configuration: number, generations: Int32Array): D | undefined {
    const found = this.#microflows.find(key, words, hashOf(key, words), configuration, generations);
    if (found !== undefined) this.microHits++;
    return found;
  }

  /** The decision for keys of this kind; an exact entry is made of it, under the same generations. */
  findWide(
    key: Int32Array, words: number, configuration: number, generations: Int32Array,
    depends: (decision: D) => Dependencies,
  ): D | undefined {
    for (const each of this.#megaflows) {
      const masked = this.#apply(each.mask, key, words);
      const found = each.table.find(masked, words, hashOf(masked, words), configuration, generations);
      if (found === undefined) continue;
      each.hits++;
      this.megaHits++;
      this.#microflows.insert(key, words, hashOf(key, words), depends(found), found);
      return found;
    }
    this.misses++;
    return undefined;
  }

  /** @param mask the bits of the key that the decision was made from */
  insert(key: Int32Array, mask: Int32Array, words: number, depends: Dependencies, decision: D): void {
    this.#microflows.insert(key, words, hashOf(key, words), depends, decision);
    let mega = this.#megaflows.find((each) => each.mask.every((word, i) => word === mask[i]));
    if (mega === undefined) {
      if (this.#megaflows.length >= MAXIMUM_MASKS) return;
      mega = { mask: mask.slice(), table: new FlowTable<D>(MEGAFLOWS), hits: 0 };
      this.#megaflows.push(mega);
    }
    const masked = this.#apply(mega.mask, key, words);
    mega.table.insert(masked, words, hashOf(masked, words), depends, decision);
    // Those that are found most are looked at first.
    this.#megaflows.sort((a, b) => b.hits - a.hits);
  }

  /** What extensions look at has changed: masks of before say nothing. */
  clear(): void {
    this.#megaflows.length = 0;
  }

  #apply(mask: Int32Array, key: Int32Array, words: number): Int32Array {
    for (let i = 0; i < words; i++) this.#masked[i] = (key[i] as number) & (mask[i] as number);
    return this.#masked;
  }
}

function hashOf(key: Int32Array, words: number): number {
  let mixed = 0;
  for (let i = 0; i < words; i++) {
    mixed = Math.imul(mixed ^ (key[i] as number), 0x9e37_79b1);
    mixed ^= mixed >>> 15;
  }
  mixed = Math.imul(mixed, 0x85eb_ca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
