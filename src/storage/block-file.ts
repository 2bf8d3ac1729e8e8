/**
 * The file port below the disk formats: bytes at positions, with a flush that means it. The host's file is one
 * implementation; tests bring one that loses power.
 */

export interface BlockFile {
  /** For sentences that name the file. */
  readonly name: string;
  readonly isReadOnly: boolean;
  readonly sizeBytes: number;
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

/** A few bytes into a buffer of their own, for headers and tables. */
export function readBytes(file: BlockFile, position: number, lengthBytes: number): Uint8Array {
  const target = new Uint8Array(lengthBytes);
  file.readSync(target, 0, lengthBytes, position);
  return target;
}
