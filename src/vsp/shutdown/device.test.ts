import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTimers } from '../../kit/timers.ts';
import { GuestUtility } from '../testing/guest-utility.ts';
import { Shutdown, type ShutdownRequest } from './device.ts';

const FLAGS: readonly (readonly [request: ShutdownRequest, flags: number])[] = [
  [{}, 0], [{ force: true }, 1], [{ restart: true }, 2], [{ restart: true, force: true }, 3],
];

for (const [request, flags] of FLAGS) {
  test(`${JSON.stringify(request)} is asked for with flags ${flags} and the whole message`, async () => {
    const service = new Shutdown({ timers: new ManualTimers() });
    const utility = new GuestUtility(service);
    assert.deepEqual(utility.negotiate(), ['3.2', '3.1', '3.0', '1.0']);
    const asked = service.request(request);
    const message = utility.expect();
    assert.equal(message.type, 3);
    assert.equal(message.body.byteLength, 2060);
    assert.equal(message.body.getUint32(8, true), flags);
    utility.answer(message);
    await asked;
  });
}

test('a guest that refuses is an error', async () => {
  const service = new Shutdown({ timers: new ManualTimers() });
  const utility = new GuestUtility(service);
  utility.negotiate();
  const asked = service.request({});
  utility.answer(utility.expect(), 0x8000_4005);
  await assert.rejects(asked, /did not shut down: it answered 0x80004005/);
});
