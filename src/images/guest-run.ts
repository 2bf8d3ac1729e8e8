/** The port to whoever runs a guest for a build: this layer makes images, and knows no machine. */

export interface BuildGuest {
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
  readonly memoryMiB: number;
  /** The guest's disks in order. */
  readonly disks: readonly { readonly path: string; readonly readOnly: boolean }[];
}

/**
 * Runs a guest until it ends, and hands over each line of its console. Resolves with nothing when it powered itself
 * off, else with how it ended.
 */
export type RunGuest = (
  guest: BuildGuest, onLine: (line: string) => void, signal: AbortSignal | undefined,
) => Promise<string | undefined>;
