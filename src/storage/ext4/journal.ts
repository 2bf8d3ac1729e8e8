/**
 * The journal of an ext3 or ext4 file system (JBD2): which blocks a mount would copy to their places. They are only
 * read from the journal instead: the disk may be read-only, and replaying is the guest's business
 * [Linux Documentation/filesystems/ext4/journal.rst, fs/jbd2/recovery.c for the order of the passes].
 */

import { viewOf } from '../../kit/view.ts';
import {
  JOURNAL_COMMIT_CHECKSUM_OFFSET, JOURNAL_MAGIC, JOURNAL_TAIL_BYTES, JournalBlockType, JournalHeader,
  JournalIncompatible, JournalRevokeHeader, JournalSuperblock, JournalTag, JournalTag3, JournalTagFlag,
} from '../../protocols/ext4.ts';
import { crc32c } from '../crc32c.ts';
import { damaged, unsupported } from '../damaged.ts';
import type { Blocks, LoggedBlock } from './blocks.ts';
import type { Inode, Inodes } from './inodes.ts';

const J = JournalIncompatible;
const KNOWN = J.Revoke | J.Wide | J.AsyncCommit | J.ChecksumV2 | J.ChecksumV3;
/** Four times what the largest disks get; each block is looked at once. */
const BLOCKS_MAX = 2 ** 20;
const UUID_BYTES = 16;

interface Logged extends LoggedBlock {
  readonly block: number;
  readonly sequence: number;
}

/** Puts over the file system's blocks what the journal's complete transactions hold. */
export function replayJournal(blocks: Blocks, inodes: Inodes, inode: Inode): void {
  const journal = new Journal(blocks, inodes, inode);
  const { logged, revoked } = journal.read();
  for (const { block, sequence, position, isEscaped } of logged) {
    const last = revoked.get(block);
    // Sequence numbers go in a circle.
    if (last === undefined || ((last - sequence) | 0) < 0) blocks.replace(block, { position, isEscaped });
  }
}

class Journal {
  readonly #blocks: Blocks;
  readonly #inodes: Inodes;
  readonly #inode: Inode;
  readonly #first: number;
  readonly #end: number;
  readonly #start: number;
  readonly #sequence: number;
  readonly #incompatible: number;
  /** Of the journal's identity; what its checksums go on from. */
  readonly #seed: number;

  constructor(blocks: Blocks, inodes: Inodes, inode: Inode) {
    this.#blocks = blocks;
    this.#inodes = inodes;
    this.#inode = inode;
    const { volume, blockBytes } = blocks;
    const values = JournalSuperblock.decode(viewOf(this.#block(0)), 0);
    const isKnown = values.type === JournalBlockType.SuperblockV1 || values.type === JournalBlockType.SuperblockV2;
    if (values.magic !== JOURNAL_MAGIC || !isKnown || values.blockBytes !== blockBytes) {
      throw damaged(volume, 'its journal does not begin as one');
    }
    this.#incompatible = values.type === JournalBlockType.SuperblockV2 ? values.incompatible : 0;
    if ((this.#incompatible & ~KNOWN) !== 0) {
      throw unsupported(volume, 'it was not unmounted, and its journal has features that this version does not know: '
        + 'boot it once with --kernel, or repair it with fsck');
    }
    this.#first = values.firstBlock;
    this.#end = values.blocks;
    this.#start = values.startBlock;
    this.#sequence = values.firstSequence;
    this.#seed = ~crc32c(values.uuid, 0, UUID_BYTES, 0) >>> 0;
    if (this.#first < 1 || this.#end <= this.#first || this.#end > BLOCKS_MAX
      || this.#end * blockBytes > inode.sizeBytes || this.#start >= this.#end) {
      throw damaged(volume, `its journal is said to go from block ${this.#first} to ${this.#end}`);
    }
  }

  get #hasChecksums(): boolean {
    return (this.#incompatible & (J.ChecksumV2 | J.ChecksumV3)) !== 0;
  }

  /** Of complete transactions, in order: which blocks they logged, and for each the last that said not to. */
  read(): { logged: Logged[]; revoked: Map<number, number> } {
    const all: Logged[] = [];
    const revoked = new Map<number, number>();
    let pending: Logged[] = [];
    let pendingRevoked: number[] = [];
    let sequence = this.#sequence;
    let at = this.#start;
    if (at === 0) return { logged: all, revoked };
    // Never more than once around.
    for (let seen = this.#first; seen < this.#end; seen++) {
      const data = this.#block(at);
      const header = JournalHeader.decode(viewOf(data), 0);
      if (header.magic !== JOURNAL_MAGIC || header.sequence !== sequence) break;
      at = this.#next(at);
      if (header.type === JournalBlockType.Descriptor) {
        if (!this.#isWhole(data, data.length - JOURNAL_TAIL_BYTES)) break;
        for (const tag of this.#tags(data)) {
          pending.push({ ...tag, sequence, position: this.#positionOf(at) });
          at = this.#next(at);
          seen++;
        }
      } else if (header.type === JournalBlockType.Revoke) {
        if (!this.#isWhole(data, data.length - JOURNAL_TAIL_BYTES)) break;
        pendingRevoked.push(...this.#revokedIn(data));
      } else if (header.type === JournalBlockType.Commit && this.#isWhole(data, JOURNAL_COMMIT_CHECKSUM_OFFSET)) {
        for (const logged of pending) all.push(logged);
        for (const block of pendingRevoked) revoked.set(block, sequence);
        pending = [];
        pendingRevoked = [];
        sequence = (sequence + 1) >>> 0;
      } else {
        break;
      }
    }
    return { logged: all, revoked };
  }

  /** What is not was torn by the end of whoever wrote it, and nothing behind it counts. */
  #isWhole(data: Uint8Array, checksumOffset: number): boolean {
    if (!this.#hasChecksums) return true;
    const copy = data.slice();
    copy.fill(0, checksumOffset, checksumOffset + 4);
    const expected = ~crc32c(copy, 0, copy.length, ~this.#seed >>> 0) >>> 0;
    return viewOf(data).getUint32(checksumOffset) === expected;
  }

  *#tags(data: Uint8Array): Generator<{ block: number; isEscaped: boolean }> {
    const view = viewOf(data);
    const isThird = (this.#incompatible & J.ChecksumV3) !== 0;
    const isWide = (this.#incompatible & J.Wide) !== 0;
    const layout = isThird ? JournalTag3 : JournalTag;
    const isSecond = (this.#incompatible & J.ChecksumV2) !== 0;
    const tagBytes = isThird ? JournalTag3.$size : JournalTag.$size + (isSecond ? 2 : 0) - (isWide ? 0 : 4);
    const end = data.length - (this.#hasChecksums ? JOURNAL_TAIL_BYTES : 0);
    for (let at = JournalHeader.$size; at + tagBytes <= end;) {
      const flags = layout.flags.get(view, at);
      const high = isWide ? layout.blockHigh.get(view, at) : 0;
      yield {
        block: layout.blockLow.get(view, at) + high * 0x1_0000_0000, isEscaped: (flags & JournalTagFlag.Escaped) !== 0,
      };
      if ((flags & JournalTagFlag.Last) !== 0) return;
      at += tagBytes + ((flags & JournalTagFlag.SameUuid) === 0 ? UUID_BYTES : 0);
    }
  }

  #revokedIn(data: Uint8Array): number[] {
    const view = viewOf(data);
    const isWide = (this.#incompatible & J.Wide) !== 0;
    const end = Math.min(JournalRevokeHeader.count.get(view, 0), data.length);
    const numbers: number[] = [];
    for (let at = JournalRevokeHeader.$size; at + (isWide ? 8 : 4) <= end; at += isWide ? 8 : 4) {
      numbers.push(isWide ? view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4) : view.getUint32(at));
    }
    return numbers;
  }

  #next(at: number): number {
    return at + 1 >= this.#end ? this.#first : at + 1;
  }

  #block(index: number): Uint8Array {
    return this.#blocks.volume.read(this.#positionOf(index), this.#blocks.blockBytes);
  }

  #positionOf(index: number): number {
    const block = this.#inodes.blockOf(this.#inode, index);
    if (block === undefined) throw damaged(this.#blocks.volume, `block ${index} of its journal is a hole`);
    return block * this.#blocks.blockBytes;
  }
}
