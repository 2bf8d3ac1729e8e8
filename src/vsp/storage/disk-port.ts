/** What the service needs of a virtual disk: the part of the storage layer's port that a guest can reach. */

export interface StorageGeometry {
  readonly sizeBytes: number;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
}

export interface StorageExtent {
  state: 'data' | 'zero' | 'absent';
  lengthBytes: number;
}

/** Offsets and lengths are whole sectors inside the disk. What the host refuses is thrown as an OperatingError. */
export interface StorageDisk {
  readonly name: string;
  readonly geometry: StorageGeometry;
  readonly isReadOnly: boolean;
  /** The unit in which room is given back; 0 when that is a sector, or when nothing is. */
  readonly blockBytes: number;
  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, positionBytes: number): void;
  writeSync(source: Uint8Array, sourceOffset: number, lengthBytes: number, positionBytes: number): void;
  flushSync(): void;
  settleSync(): void;
  discardSync(positionBytes: number, lengthBytes: number): void;
  extentAt(positionBytes: number, extent: StorageExtent): void;
}
