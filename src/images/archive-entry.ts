/** One member of a tar or cpio archive, in the form that both readers give and `FileTree` takes. */

export type EntryKind = 'file' | 'directory' | 'symlink' | 'hardlink' | 'character' | 'block' | 'fifo';

export interface ArchiveEntry {
  /** As the archive spells it: not checked, perhaps absolute or with `..` in it. */
  readonly path: string;
  readonly kind: EntryKind;
  /** Permission bits with set-user-id, set-group-id and sticky: 0o7777 at most. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modifiedSeconds: number;
  /** A file's content, a view of the archive; empty for everything else. */
  readonly data: Uint8Array;
  /** What a symbolic link says, or the archive path that a hard link is another name of. */
  readonly target: string;
  readonly major: number;
  readonly minor: number;
}
