/**
 * What the packet sockets of a switch have in common: the turns in which the switch's thread looks at their rings, and
 * frames that stay in a ring for a turn. While frames come by one of them it looks at all after each turn of the event
 * loop; when there are none, other threads wait for the next and wake this one. A thread that waits for a socket costs
 * each frame that is sent by it, too, so none does meanwhile.
 */

/** Turns without a frame before other threads wait: waking costs more than a few looks. */
const IDLE_LOOKS = 8;

/** Memory of frames. Before each is room for a virtio header, which whoever sends it may fill. */
export interface RingMemory {
  /** As the frames are handed over. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where it begins for the system; addresses of user space are below 2^53. */
  readonly address: number;
}

export interface RingReader {
  readonly memory: RingMemory;
  /** Hands over frames that have come, and keeps them where they are; how many. */
  give(): number;
  /** Nobody has to do with those frames any more. */
  release(): void;
  /** Another thread waits for frames, or none does. */
  setWaiting(isWaiting: boolean): void;
}

export class PacketRings {
  #readers: readonly RingReader[] = [];
  readonly #holders: (() => void)[] = [];
  #isTurning = false;
  #idleLooks = 0;

  add(reader: RingReader): void {
    this.#readers = [...this.#readers, reader];
    reader.setWaiting(!this.#isTurning);
  }

  remove(reader: RingReader): void {
    this.#readers = this.#readers.filter((each) => each !== reader);
  }

  /** Undefined: a frame in these bytes is valid for the call alone, otherwise until the turn ends. */
  memoryOf(bytes: Uint8Array): RingMemory | undefined {
    return this.#readers.find(({ memory }) => memory.bytes === bytes)?.memory;
  }

  /** Somebody has kept frames of this turn, until `letGo` is called. */
  keep(letGo: () => void): void {
    this.#holders.push(letGo);
  }

  /** Frames have come by one of them. */
  wake(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    this.#idleLooks = 0;
    for (const reader of this.#readers) reader.setWaiting(false);
    this.#turn();
  }

  // Hot path: once in some hundred frames.
  #turn(): void {
    let count = 0;
    for (const reader of this.#readers) {
      const given = reader.give();
      if (given === 0) continue;
      count += given;
      for (const letGo of this.#holders) letGo();
      this.#holders.length = 0;
      reader.release();
    }
    if (count > 0) this.#idleLooks = 0;
    else if (++this.#idleLooks > IDLE_LOOKS) {
      this.#isTurning = false;
      for (const reader of this.#readers) reader.setWaiting(true);
      return;
    }
    setImmediate(() => this.#turn());
  }
}
