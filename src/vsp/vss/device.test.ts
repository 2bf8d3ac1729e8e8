import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTimers } from '../../kit/timers.ts';
import { GuestUtility } from '../testing/guest-utility.ts';
import { VolumeSnapshots } from './device.ts';

function snapshots(): { vss: VolumeSnapshots; utility: GuestUtility } {
  const vss = new VolumeSnapshots({ timers: new ManualTimers() });
  const utility = new GuestUtility(vss);
  assert.deepEqual(utility.negotiate(), ['5.0']);
  return { vss, utility };
}

test('file systems are frozen and thawed', async () => {
  const { vss, utility } = snapshots();
  for (const [operation, run, isFrozen] of [
    [5, () => vss.freeze(), true], [6, () => vss.thaw(), false],
  ] as const) {
    const done = run();
    const message = utility.expect();
    assert.deepEqual([message.type, message.body.byteLength, message.body.getUint8(0)], [5, 12, operation]);
    utility.answer(message);
    await done;
    assert.equal(vss.isFrozen, isFrozen);
  }
});

test('a guest without its daemon cannot freeze, and says so', async () => {
  const { vss, utility } = snapshots();
  const asked = vss.canFreeze();
  utility.answer(utility.expect(), 0x8000_4005);
  assert.equal(await asked, false);
  const frozen = vss.freeze();
  utility.answer(utility.expect(), 0x8000_4005);
  await assert.rejects(frozen, /did not freeze its file systems/);
  assert.equal(vss.isFrozen, false);
});

test('a guest that starts over is not frozen; a saved one still is', async () => {
  const { vss, utility } = snapshots();
  const frozen = vss.freeze();
  utility.answer(utility.expect());
  await frozen;
  const later = new VolumeSnapshots({ timers: new ManualTimers() });
  later.restoreState(vss.saveState());
  assert.equal(later.isFrozen, true);
  utility.guest.bus.disconnect();
  assert.equal(vss.isFrozen, false);
});
