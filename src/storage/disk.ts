/**
 * The disk port: what a virtual disk is to a storage service and to the commands, whatever its format. Everything is
 * synchronous, on file descriptors, because a storage thread waits on its doorbell and has no event loop. `contract.ts`
 * says what every implementation does.
 *
 * Offsets and lengths are whole logical sectors inside the disk; whoever passes a guest's numbers on checks them
 * before.
 * What the host refuses (an I/O error, no room) is thrown as an OperatingError, and leaves the disk as usable as it
 * was.
 */

export type DiskFormat = 'raw' | 'vhd' | 'vhdx' | 'qcow2' | 'vmdk';
/** A fixed disk has all its room from the start, a differencing disk holds what differs from its parent. */
export type DiskKind = 'fixed' | 'dynamic' | 'differencing';

export interface DiskGeometry {
  readonly sizeBytes: number;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
}

/** What a range of a disk's own file holds. */
export type ExtentState =
  /** Data of its own. */
  | 'data'
  /** Known to read as zeros, with no room taken for it. */
  | 'zero'
  /** Nothing of its own: the parent's, or zeros where there is none. */
  | 'absent';

/** Filled by `extentAt`: one object can be used for a whole walk. */
export interface Extent {
  state: ExtentState;
  lengthBytes: number;
}

export interface Disk {
  readonly format: DiskFormat;
  /** The path, for sentences. */
  readonly name: string;
  readonly kind: DiskKind;
  /** Changes when the disk is resized. */
  readonly geometry: DiskGeometry;
  readonly isReadOnly: boolean;
  /** The disk below, owned by this one; always read-only. */
  readonly parent: Disk | undefined;
  /** The unit in which room is taken and given back, 0 when all of it is there from the start. */
  readonly blockBytes: number;

  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, positionBytes: number): void;
  /** Acknowledged, and read back from now on; on the medium after the next flush. */
  writeSync(source: Uint8Array, sourceOffset: number, lengthBytes: number, positionBytes: number): void;
  /** When this returns, everything written before survives a loss of power. */
  flushSync(): void;
  /**
   * Makes what was acknowledged survive the end of this thread or process (not of the host), at less cost than a flush:
   * a service calls it before it tells the guest that a batch of writes is done.
   */
  settleSync(): void;
  /** The range reads as zeros afterwards; whole blocks give their room back where the format can do so. */
  discardSync(positionBytes: number, lengthBytes: number): void;
  /** What this disk's own file holds from `positionBytes` on, as far as that is one state; never beyond the end. */
  extentAt(positionBytes: number, extent: Extent): void;
  /** Grows with zeros, or cuts off. */
  resizeSync(sizeBytes: number): void;
  /** Flushes what was written, and closes the file and the parent. */
  closeSync(): void;
  /** What `partout vhd info` shows beside the above. */
  describe(): Readonly<Record<string, string | number | boolean>>;
}
