/**
 * One channel of a controller with what was asked on it: takes packets into its table, and sends answers from there.
 * Answers go out on the channel on which the question came.
 */

import { PacketFlag } from '../../protocols/vmbus/ring-layout.ts';
import { type Channel, SendResult } from '../../vmbus/channel.ts';
import { RequestTable } from './request-table.ts';

/** The number of a request that there is none of. */
export const NO_REQUEST = -1;

export class RequestQueue {
  readonly index: number;
  readonly table: RequestTable;
  #channel: Channel | undefined;

  constructor(index: number, buffer: SharedArrayBuffer) {
    this.index = index;
    this.table = new RequestTable(buffer);
  }

  get channel(): Channel | undefined {
    return this.#channel;
  }

  open(channel: Channel): void {
    this.#channel = channel;
    if (channel.isRestored) this.table.takeOver(channel.sendPosition);
    else this.table.clear(channel.packet.position);
  }

  close(): void {
    this.#channel = undefined;
    this.table.clear();
  }

  // Hot path: one a request.
  /** Takes the next packet; its slot, or NO_REQUEST. */
  take(): number {
    const channel = this.#channel;
    if (channel === undefined || this.table.isFull || !channel.receive()) return NO_REQUEST;
    return this.table.add(channel.packet, (channel.packet.flags & PacketFlag.CompletionRequested) !== 0);
  }

  /** Sends what is finished, oldest first. When there is no room, the guest signals once there is. */
  answer(): void {
    const { table } = this;
    const channel = this.#channel;
    if (channel === undefined) return;
    for (let i = 0; i < table.count; i++) {
      const slot = table.slotAt(i);
      if (!table.isActed(slot) || table.writtenUnit(slot) >= 0) continue;
      if (table.wantsAnswer(slot)) {
        table.beginAnswering(slot, channel.sendPosition);
        const result = channel.complete(
          table.transactionLow(slot), table.transactionHigh(slot), table.answerBytes(slot));
        if (result !== SendResult.Sent) {
          table.stopSending();
          break;
        }
      }
      table.answered(slot);
    }
    table.forgetFinished();
  }
}
