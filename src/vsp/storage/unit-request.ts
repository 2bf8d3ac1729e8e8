/** One SCSI command on its way through a logical unit: what it asks for, and what became of it. Used over and over. */

import { OperatingError } from '../../kit/errors.ts';
import { Cdb10, Cdb12, Cdb16, Cdb6, Sense } from '../../protocols/scsi.ts';
import type { Transfer } from './transfer.ts';

const SCRATCH_BYTES = 0x1_0000;
/** The operation code tells how long a command is [SPC-4 4.2.5.1]. */
const GROUP_SHIFT = 5;

export class UnitRequest {
  readonly transfer: Transfer;
  /** For what a command gathers or builds. */
  readonly scratch = new Uint8Array(SCRATCH_BYTES);
  readonly scratchView = new DataView(this.scratch.buffer);
  /** The command begins at `at`. */
  cdb!: DataView;
  at = 0;
  /** By which a request is known again when it is carried out twice. */
  queue = 0;
  sequence = 0;
  /** The time of this turn, for limits. */
  nowMs = 0;
  /** After `Outcome.Later`. */
  waitMs = 0;
  /** The blocks that it is about: of `setBlocks`. */
  address = 0;
  blocks = 0;
  flags = 0;
  /** Bytes that crossed. */
  moved = 0;

  constructor(transfer: Transfer) {
    this.transfer = transfer;
  }

  get operation(): number {
    return this.cdb.getUint8(this.at);
  }

  // Hot path: one a request.
  /** Reads block address and length out of the command; zero of six bytes means 256. */
  setBlocks(): void {
    const { cdb, at } = this;
    this.flags = cdb.getUint8(at + 1);
    switch (cdb.getUint8(at) >> GROUP_SHIFT) {
      case 0:
        this.flags = 0;
        this.address = (Cdb6.addressHigh.get(cdb, at) & 0x1f) * 0x1_0000 + Cdb6.addressLow.get(cdb, at);
        this.blocks = Cdb6.length.get(cdb, at) || 256;
        return;
      case 4:
        this.address = Cdb16.address.get(cdb, at);
        this.blocks = Cdb16.length.get(cdb, at);
        return;
      case 5:
        this.address = Cdb12.address.get(cdb, at);
        this.blocks = Cdb12.length.get(cdb, at);
        return;
      default:
        this.address = Cdb10.address.get(cdb, at);
        this.blocks = Cdb10.length.get(cdb, at);
    }
  }

  /** Sends what lies in the scratch buffer, cut to what the guest allows. */
  reply(length: number, allocationLength: number): number {
    this.moved = this.transfer.put(this.scratch, Math.min(length, allocationLength));
    return Sense.None;
  }
}

/** Sense data for what a disk threw. @throws what is a mistake of ours. */
export function senseOfDiskError(error: unknown, otherwise: number): number {
  if (!(error instanceof OperatingError)) throw error;
  const code = (error.cause as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT' ? Sense.SpaceAllocationFailed : otherwise;
}
