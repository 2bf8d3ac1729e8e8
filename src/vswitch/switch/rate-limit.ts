/** What a port may send in a second: frames that flood, and bytes. Counted, never decided once for all. */

/** Bytes that may come at once beyond the rate: a tenth of a second of it, and a large segment at least. */
const BURST_SECONDS = 0.1;
const MINIMUM_BURST_BYTES = 128 * 1024;

export class RateLimit {
  #floodLimit = 0;
  #floods = 0;
  #floodSecond = -1;
  #bytesPerSecond = 0;
  #burst = 0;
  #tokens = 0;
  #filledSeconds = 0;

  /** @param bitsPerSecond 0: no limit, as for frames */
  set(floodFrames: number, bitsPerSecond: number): void {
    this.#floodLimit = floodFrames;
    this.#bytesPerSecond = bitsPerSecond / 8;
    this.#burst = Math.max(MINIMUM_BURST_BYTES, this.#bytesPerSecond * BURST_SECONDS);
    this.#tokens = Math.min(this.#tokens, this.#burst);
  }

  get isLimited(): boolean {
    return this.#floodLimit > 0 || this.#bytesPerSecond > 0;
  }

  takesFlood(nowSeconds: number): boolean {
    if (this.#floodLimit === 0) return true;
    const second = Math.floor(nowSeconds);
    if (second !== this.#floodSecond) {
      this.#floodSecond = second;
      this.#floods = 0;
    }
    if (this.#floods >= this.#floodLimit) return false;
    this.#floods++;
    return true;
  }

  takesBytes(count: number, nowSeconds: number): boolean {
    if (this.#bytesPerSecond === 0) return true;
    const grown = (nowSeconds - this.#filledSeconds) * this.#bytesPerSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + grown);
    this.#filledSeconds = nowSeconds;
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }
}
