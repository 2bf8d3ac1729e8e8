/**
 * A snapshot of a running guest's disks: its file systems stand still, each disk gets a child that the guest writes to
 * from then on, and the file systems go on. The disks are then a copy that nobody changes, as clean as after an
 * unmount.
 */
import type { StorageAddress } from './description.ts';

export interface SnapshotPorts {
  readonly storage: {
    branch(children: readonly SnapshotChild[]): Promise<void>;
  };
  readonly snapshots: {
    ready(timeoutMs: number): Promise<void>;
    freeze(timeoutMs: number): Promise<void>;
    thaw(timeoutMs?: number): Promise<void>;
  };
}

export interface SnapshotChild {
  readonly address: StorageAddress;
  /** Of the new file. */
  readonly path: string;
}

/** A guest that freezes after we gave up is thawed all the same. */
const LATE_FREEZE_MS = 15 * 60_000;

/**
 * @param freezeMs how long the guest may take to be there and to freeze, each; without it its file systems are taken as
 *   after a loss of power.
 * @throws OperatingError when the guest cannot freeze in time, or a disk can have no child: nothing has changed.
 */
export async function takeSnapshot(
  { storage, snapshots }: SnapshotPorts, children: readonly SnapshotChild[], freezeMs: number | undefined,
): Promise<void> {
  if (freezeMs === undefined) return storage.branch(children);
  await snapshots.ready(freezeMs);
  try {
    await snapshots.freeze(freezeMs);
  } catch (error) {
    snapshots.thaw(LATE_FREEZE_MS).catch(() => {});
    throw error;
  }
  try {
    await storage.branch(children);
  } finally {
    await snapshots.thaw();
  }
}
