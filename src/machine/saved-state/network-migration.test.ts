import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkByChannel } from './network-migration.ts';

const OLD = {
  version: 1, nvspVersion: 0x6_0001, frameBytes: 1514, unsent: [{ transactionLow: 7 }],
  adapter: { isInitialized: true, packetFilter: 13 },
  receive: { allocationBytes: 1728, transfers: [[3, 4]], pending: [{ allocation: 5, bytes: 100 }], controls: [] },
  transmit: { current: { low: 1, high: 0, rest: new Uint8Array(3) }, waiting: [{ transactionLow: 2, length: 40 }] },
};

test('what an adapter of version 2 had under way belongs to its first channel', () => {
  const { version, network: [adapter] } = networkByChannel({ version: 2, network: [OLD] }) as never as {
    version: number; network: readonly [Record<string, never>];
  };
  assert.equal(version, 3);
  const { queues, receive, transmit, subChannels } = adapter as never as Record<string, Record<string, unknown>>;
  assert.deepEqual(queues, [{ isOpen: true, unsent: [{ transactionLow: 7 }] }]);
  assert.deepEqual(receive?.['pending'], [[{ allocation: 5, bytes: 100 }]]);
  assert.deepEqual(receive?.['transfers'], [[3, 4]]);
  assert.deepEqual(transmit?.['waiting'], [{ transactionLow: 2, length: 40, queue: 0 }]);
  assert.equal((transmit?.['current'] as { queue?: number } | undefined)?.queue, 0);
  assert.equal(subChannels, 0);
});

for (const wrong of [undefined, null, 7, [null], [{}], [{ ...OLD, adapter: 7 }], [{ ...OLD, transmit: null }]]) {
  test(`${JSON.stringify(wrong)?.slice(0, 20)} is left for the shape to refuse`, () => {
    assert.deepEqual(networkByChannel({ version: 2, network: wrong }), { version: 3, network: wrong });
  });
}
