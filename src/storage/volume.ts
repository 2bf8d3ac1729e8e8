/** A range of a disk that is read byte by byte, whatever the disk's sectors are: a partition, or the whole of it. */

import { OperatingError } from '../kit/errors.ts';
import type { Disk } from './disk.ts';

export class Volume {
  /** For sentences. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly #disk: Disk;
  readonly #startBytes: number;

  /** What of the range lies behind the end of the disk is no part of it. */
  constructor(disk: Disk, name: string, startBytes: number, sizeBytes: number) {
    this.#disk = disk;
    this.name = name;
    this.#startBytes = startBytes;
    this.sizeBytes = Math.max(0, Math.min(sizeBytes, disk.geometry.sizeBytes - startBytes));
  }

  /** @throws OperatingError when there is nothing to be read at that place. */
  read(position: number, lengthBytes: number): Uint8Array {
    const target = new Uint8Array(this.#check(position, lengthBytes));
    this.readInto(target, 0, lengthBytes, position);
    return target;
  }

  readInto(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void {
    this.#check(position, lengthBytes);
    const sector = this.#disk.geometry.logicalSectorBytes;
    const start = this.#startBytes + position;
    if (start % sector === 0 && lengthBytes % sector === 0) {
      this.#disk.readSync(target, targetOffset, lengthBytes, start);
      return;
    }
    const first = Math.floor(start / sector) * sector;
    const around = new Uint8Array(Math.ceil((start + lengthBytes) / sector) * sector - first);
    this.#disk.readSync(around, 0, around.length, first);
    target.set(around.subarray(start - first, start - first + lengthBytes), targetOffset);
  }

  #check(position: number, lengthBytes: number): number {
    if (position >= 0 && lengthBytes >= 0 && position + lengthBytes <= this.sizeBytes) return lengthBytes;
    throw new OperatingError('bad-input', `${this.name} is damaged: something in it is said to be at byte ${position}, `
      + `and it has ${this.sizeBytes}`);
  }
}
