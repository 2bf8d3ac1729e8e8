/**
 * The file port below the disk formats: bytes at positions, with a flush that means it. The host's file is one
 * implementation; tests bring one that loses power.
 */

export interface BlockFile {
  /** For sentences that name the file. */
  readonly name: string;
  readonly isReadOnly: boolean;
  readonly sizeBytes: number;
  /** Where the host knows them. */
  readonly holes?: Holes | undefined;
  /** What lies beyond the end reads as zeros. */
  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void;
  /** Grows the file when it must. */
  writeSync(source: Uint8Array, sourceOffset: number, lengthBytes: number, position: number): void;
  /** Cuts off, or grows with zeros that take no room. */
  truncateSync(sizeBytes: number): void;
  /** Everything written and the size are on the medium when this returns. */
  flushSync(): void;
  closeSync(): void;
}

/** Ranges of a file that read as zeros and take no room. */
export interface Holes {
  readonly canMake: boolean;
  makeSync(position: number, lengthBytes: number): void;
  /** What there is at a position, and where that ends; Infinity when nothing else follows. */
  rangeAt(position: number): { readonly isHole: boolean; readonly end: number };
}

/** A few bytes into a buffer of their own, for headers and tables. */
export function readBytes(file: BlockFile, position: number, lengthBytes: number): Uint8Array {
  const target = new Uint8Array(lengthBytes);
  file.readSync(target, 0, lengthBytes, position);
  return target;
}
