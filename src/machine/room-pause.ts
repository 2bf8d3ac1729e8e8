/**
 * A guest whose disk takes no more is paused: it would lose what it writes. It goes on by itself when the host has room
 * again. Hyper-V calls the state "paused-critical".
 */

export interface PausablePartition {
  readonly phase: string;
  pause(): Promise<void>;
  resume(): Promise<void>;
}

export interface RoomPauseOptions {
  readonly partition: PausablePartition;
  /** Takes a line for the person. */
  readonly notice: (line: string) => void;
  readonly onFailure: (error: unknown) => void;
}

export class RoomPause {
  readonly #options: RoomPauseOptions;
  #paths: readonly string[] = [];

  constructor(options: RoomPauseOptions) {
    this.#options = options;
  }

  /** The disks that are waited for. */
  get paths(): readonly string[] {
    return this.#paths;
  }

  /** The host has no room for these disks; none when it has room for all. */
  set(paths: readonly string[]): void {
    const { partition, notice, onFailure } = this.#options;
    const wasFull = this.#paths.length > 0;
    this.#paths = paths;
    if (paths.length > 0 === wasFull) return;
    notice(wasFull ? 'there is room again: the guest goes on'
      : `the host has no room for ${paths.join(', ')}: the guest is paused until there is`);
    const done = wasFull ? partition.resume() : partition.pause();
    // One that was stopped, or paused by somebody else, stays as it is.
    done.catch((error: unknown) => {
      if (partition.phase === 'running') onFailure(error);
    });
  }
}
