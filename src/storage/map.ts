/** What a chain of disks holds where. */

import type { Disk, Extent } from './disk.ts';

/** In the whole chain, there is data or there are zeros. */
export interface MappedExtent {
  positionBytes: number;
  lengthBytes: number;
  state: 'data' | 'zero';
  /** 0 is the disk itself, 1 its parent, and so on; for zeros, whose doing they are. */
  depth: number;
}

/** Fills `mapped` with what is at `position`, as far as one disk answers for it in one way. */
export function chainExtentAt(disk: Disk, position: number, mapped: MappedExtent): void {
  const extent: Extent = { state: 'data', lengthBytes: 0 };
  let lengthBytes = Infinity;
  let depth = 0;
  let state: MappedExtent['state'] = 'zero';
  for (let layer: Disk | undefined = disk; layer !== undefined; layer = layer.parent) {
    // A disk above may be larger than its parent: what is beyond is zeros.
    if (position >= layer.geometry.sizeBytes) break;
    layer.extentAt(position, extent);
    lengthBytes = Math.min(lengthBytes, extent.lengthBytes);
    if (extent.state === 'data') state = 'data';
    if (extent.state !== 'absent' || layer.parent === undefined) break;
    depth++;
  }
  mapped.positionBytes = position;
  mapped.lengthBytes = lengthBytes;
  mapped.state = state;
  mapped.depth = depth;
}

/** The whole disk, neighbours of one kind put together. */
export function* mapDisk(disk: Disk): Generator<Readonly<MappedExtent>> {
  let pending: MappedExtent | undefined;
  for (let position = 0; position < disk.geometry.sizeBytes;) {
    const next: MappedExtent = { positionBytes: 0, lengthBytes: 0, state: 'zero', depth: 0 };
    chainExtentAt(disk, position, next);
    position += next.lengthBytes;
    if (pending !== undefined && pending.state === next.state && pending.depth === next.depth) {
      pending.lengthBytes += next.lengthBytes;
    } else {
      if (pending !== undefined) yield pending;
      pending = next;
    }
  }
  if (pending !== undefined) yield pending;
}
