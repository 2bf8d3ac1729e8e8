import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperatingError } from '../kit/errors.ts';
import { takeSnapshot } from './snapshot.ts';

const CHILDREN = [{ address: { controller: 0, lun: 0 }, path: '/a.child.vhdx' }];

/** Ports that write down what was asked of them; what is named in `failing` fails. */
function ports(log: string[], failing = ''): Parameters<typeof takeSnapshot>[0] {
  const step = async (what: string): Promise<void> => {
    log.push(what);
    if (what.startsWith(failing) && failing !== '') throw new OperatingError('guest', `${failing} failed`);
  };
  return {
    storage: { branch: (children) => step(`branch ${children.map(({ path }) => path).join()}`) },
    snapshots: {
      ready: (timeoutMs) => step(`ready ${timeoutMs}`), freeze: (timeoutMs) => step(`freeze ${timeoutMs}`),
      thaw: () => step('thaw'),
    },
  };
}

test('disks get their children while the file systems stand still', async () => {
  const log: string[] = [];
  await takeSnapshot(ports(log), CHILDREN, 5000);
  assert.deepEqual(log, ['ready 5000', 'freeze 5000', 'branch /a.child.vhdx', 'thaw']);
});

test('without a freeze the guest is not asked', async () => {
  const log: string[] = [];
  await takeSnapshot(ports(log), CHILDREN, undefined);
  assert.deepEqual(log, ['branch /a.child.vhdx']);
});

for (const [failing, expected] of [
  ['ready', ['ready 5']],
  // It may still freeze.
  ['freeze', ['ready 5', 'freeze 5', 'thaw']],
  ['branch', ['ready 5', 'freeze 5', 'branch /a.child.vhdx', 'thaw']],
] as const) {
  test(`a snapshot whose ${failing} fails leaves no guest frozen`, async () => {
    const log: string[] = [];
    await assert.rejects(takeSnapshot(ports(log, failing), CHILDREN, 5), new RegExp(`${failing} failed`));
    assert.deepEqual(log, expected);
  });
}
