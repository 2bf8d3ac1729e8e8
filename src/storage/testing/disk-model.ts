/**
 * What a disk may hold after a loss of power. Each sector is filled with a stamp; a sector that was flushed has the
 * last one, and one that was written since may have any of those that followed.
 */

import type { Disk } from '../disk.ts';

export class DiskModel {
  readonly sectorBytes: number;
  readonly #flushed: Uint32Array;
  readonly #current: Uint32Array;
  readonly #since = new Map<number, Set<number>>();
  #nextStamp = 1;

  constructor(sizeBytes: number, sectorBytes: number) {
    this.sectorBytes = sectorBytes;
    this.#flushed = new Uint32Array(sizeBytes / sectorBytes);
    this.#current = new Uint32Array(this.#flushed.length);
  }

  write(disk: Disk, sector: number, count: number): void {
    const bytes = new Uint32Array(count * this.sectorBytes / 4);
    const perSector = this.sectorBytes / 4;
    const stamps: number[] = [];
    for (let index = 0; index < count; index++) {
      const stamp = this.#nextStamp++;
      stamps.push(stamp);
      bytes.fill(stamp, index * perSector, (index + 1) * perSector);
    }
    stamps.forEach((stamp, index) => this.#note(sector + index, stamp));
    disk.writeSync(new Uint8Array(bytes.buffer), 0, bytes.byteLength, sector * this.sectorBytes);
  }

  discard(disk: Disk, sector: number, count: number): void {
    for (let index = 0; index < count; index++) this.#note(sector + index, 0);
    disk.discardSync(sector * this.sectorBytes, count * this.sectorBytes);
  }

  flush(disk: Disk): void {
    disk.flushSync();
    this.noteFlush();
  }

  noteFlush(): void {
    this.#since.clear();
    this.#flushed.set(this.#current);
  }

  /** What is wrong with the disk after a loss of power, or undefined. */
  problemAfterLoss(disk: Disk): string | undefined {
    return this.#compare(disk, (sector, stamp) =>
      stamp === this.#flushed[sector] || this.#since.get(sector)?.has(stamp) === true);
  }

  /** What is wrong with the disk as it is, or undefined. */
  problem(disk: Disk): string | undefined {
    return this.#compare(disk, (sector, stamp) => stamp === this.#current[sector]);
  }

  #compare(disk: Disk, isRight: (sector: number, stamp: number) => boolean): string | undefined {
    const bytes = new Uint8Array(this.#current.length * this.sectorBytes);
    disk.readSync(bytes, 0, bytes.length, 0);
    const words = new Uint32Array(bytes.buffer);
    const perSector = this.sectorBytes / 4;
    for (let sector = 0; sector < this.#current.length; sector++) {
      const stamp = words[sector * perSector] as number;
      for (let at = sector * perSector; at < (sector + 1) * perSector; at++) {
        if (words[at] !== stamp) return `sector ${sector} is torn`;
      }
      if (!isRight(sector, stamp)) {
        return `sector ${sector} has ${stamp}, flushed ${this.#flushed[sector]}, now ${this.#current[sector]}`;
      }
    }
    return undefined;
  }

  #note(sector: number, stamp: number): void {
    this.#current[sector] = stamp;
    const since = this.#since.get(sector) ?? new Set<number>();
    since.add(stamp);
    this.#since.set(sector, since);
  }
}
