import assert from 'node:assert/strict';
import { test } from 'node:test';
import { REQUEST_TABLE_BYTES, RequestTable } from '../../vsp/storage/request-table.ts';
import { storageByController } from './storage-migration.ts';

/** A table of version 1 with the requests of these transactions, the first of which is number 62. */
function oldTable(transactions: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(64 + 64 * 1024);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 62, true);
  view.setUint32(4, 62 + transactions.length, true);
  transactions.forEach((transaction, index) => {
    const at = 64 + ((62 + index) % 64) * 1024;
    [512 + index, transaction, 0, 9, 1, 32, 96].forEach((word, i) => view.setUint32(at + i * 4, word, true));
    bytes.fill(transaction, at + 96, at + 192);
  });
  return bytes;
}

const migrated = (storage: unknown): readonly { readonly requests: readonly Uint8Array[] }[] =>
  (storageByController({ version: 1, vmbus: { storage } })['vmbus'] as { storage: never }).storage;

test('requests that were unanswered in a state of version 1 are in one of version 2', () => {
  const [controller] = migrated({ version: 1, requests: oldTable([7, 8, 9]) });
  const table = new RequestTable(new SharedArrayBuffer(REQUEST_TABLE_BYTES));
  table.restore(controller!.requests[0]!);
  assert.equal(table.count, 3);
  assert.deepEqual([0, 1, 2].map((index) => table.transactionLow(table.slotAt(index))), [7, 8, 9]);
  const last = table.slotAt(2);
  assert.deepEqual([table.packetType(last), table.dataOffset(last), table.length(last)], [9, 32, 96]);
  assert.equal(table.view.getUint8(table.packet(last) + 95), 9);
  assert.equal(table.receivePosition, 514);
});

test('a machine without disks, and one whose guest waited for nothing', () => {
  assert.deepEqual(migrated(undefined), []);
  assert.equal(migrated({ version: 1 })[0]?.requests[0]?.length, 0);
});
