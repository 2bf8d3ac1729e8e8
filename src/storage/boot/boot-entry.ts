/** What a boot loader would start, and how the loaders' configurations say it. */

/** The largest files that are read: configurations, and kernels and initial RAM file systems. */
export const CONFIGURATION_BYTES_MAX = 2 ** 20;
export const KERNEL_BYTES_MAX = 256 * 2 ** 20;
export const INITRD_BYTES_MAX = 1024 * 2 ** 20;

/** A file of the disk, by the partition that it is on. */
export interface BootFile {
  readonly partition: number;
  readonly path: string;
}

/** The entry of a boot loader, its files not read yet. */
export interface LoaderEntry {
  readonly title: string;
  readonly loader: 'grub' | 'extlinux' | 'systemd-boot';
  readonly kernel: BootFile;
  /** Handed to the kernel one behind the other. */
  readonly initrds: readonly BootFile[];
  readonly commandLine: string;
}

export interface BootEntry {
  readonly title: string;
  readonly loader: LoaderEntry['loader'];
  /** The kernel's path, for sentences. */
  readonly kernelPath: string;
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array | undefined;
  readonly commandLine: string;
}

/** A command line of words, those in the variables of its loader put in, with single blanks. */
export function joined(words: readonly string[]): string {
  return words.filter((word) => word !== '').join(' ');
}
