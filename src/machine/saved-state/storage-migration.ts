/**
 * Version 2 of a machine's state: storage by controller. Version 1 had one controller with one channel, whose table had
 * 64 requests, answered in order:
 *
 *   word 0  the oldest request   word 1  behind the newest   from byte 64: 1024 bytes for each, by number modulo 64:
 *   the words position, transaction low and high, packet type, wants answer, data offset, length; at 96 the packet
 */

import { PacketFlag } from '../../protocols/vmbus/ring-layout.ts';
import { REQUEST_COUNT, REQUEST_TABLE_BYTES, RequestTable } from '../../vsp/storage/request-table.ts';
import { UNIT_STATES_BYTES } from '../../vsp/storage/unit-state.ts';

const OLD_COUNT = 64;
const OLD_HEADER = 64;
const OLD_SLOT = 1024;
const OLD_PACKET = 96;
const OLD_TABLE = OLD_HEADER + OLD_COUNT * OLD_SLOT;

type Value = Readonly<Record<string, unknown>>;

export function storageByController(value: Value): Value {
  const vmbus = value['vmbus'] as Value | undefined;
  const old = vmbus?.['storage'] as Value | undefined;
  const storage = old === undefined ? [] : [{
    version: 1, requests: [tableOf(old['requests'])], units: new Uint8Array(UNIT_STATES_BYTES), subChannels: 0,
  }];
  return { ...value, version: 2, vmbus: { ...vmbus, storage } };
}

/** What makes no sense is left as it is: it is refused for its size. */
function tableOf(old: unknown): unknown {
  if (old === undefined) return new Uint8Array(0);
  if (!(old instanceof Uint8Array) || old.length !== OLD_TABLE) return old;
  const view = new DataView(old.buffer, old.byteOffset, old.length);
  const table = new RequestTable(new SharedArrayBuffer(REQUEST_TABLE_BYTES));
  const [oldest, next] = [view.getUint32(0, true), view.getUint32(4, true)];
  for (let number = oldest; number !== next && table.count < REQUEST_COUNT - 1; number = (number + 1) >>> 0) {
    const at = OLD_HEADER + (number % OLD_COUNT) * OLD_SLOT;
    const word = (index: number): number => view.getUint32(at + index * 4, true);
    const length = Math.min(word(6), OLD_SLOT - OLD_PACKET - 32);
    const bytes = old.subarray(at + OLD_PACKET, at + OLD_PACKET + length);
    const wantsAnswer = word(4) !== 0;
    table.add({
      bytes, length, type: word(3), flags: wantsAnswer ? PacketFlag.CompletionRequested : 0, transactionLow: word(1),
      transactionHigh: word(2), dataOffset: word(5), position: word(0),
    }, wantsAnswer);
  }
  return table.save();
}
