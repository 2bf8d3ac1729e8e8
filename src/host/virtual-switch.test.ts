/** Switches from a program: no guest is needed, the program's own code is on them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ask } from '../vswitch/service/ask.ts';
import { reachSwitches } from '../vswitch/service/start.ts';
import { SwitchDirectory } from '../vswitch/service/switch-directory.ts';
import { BROADCAST, frame } from '../vswitch/testing/lab.ts';
import type { CapturedFrame } from '../vswitch/capture/captured-frames.ts';
import { Host } from './host.ts';

const folder = mkdtempSync(join(tmpdir(), 'partout-host-'));
process.env['PARTOUT_CONFIG'] = folder;
process.env['PARTOUT_RUNTIME'] = folder;
after(async () => {
  const socket = await reachSwitches(SwitchDirectory.open());
  if (socket !== undefined) process.kill((await ask(socket, { kind: 'process' }) as { pid: number }).pid, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

const A = 0x0015_5d00_0001;
const B = 0x0015_5d00_0002;

test("a program's own code is on a switch, sees what passes, and nothing is left when the host closes", async () => {
  await using host = await Host.open();
  const lab = await host.createSwitch({ name: 'lab', type: 'private' });
  assert.deepEqual(host.switches, [lab]);
  await assert.rejects(host.createSwitch({ name: 'lab' }), /there is a switch lab already/);
  const a = await lab.connect({ name: 'a', mac: '00-15-5d-00-00-01' });
  const b = await lab.connect({ name: 'b', mac: '00-15-5d-00-00-02' });
  await lab.setNic('b', { dhcpGuard: true });
  const seen: CapturedFrame[] = [];
  const begun = lab.capture({ points: ['egress', 'drop'] });
  const watching = (async () => {
    for await (const each of begun) if (seen.push(each) === 2) return;
  })();
  // The capture has begun when a frame of ours shows in it.
  const sending = setInterval(() => {
    a.send(frame(BROADCAST, A));
    b.send(frame(BROADCAST, A));
  }, 50);
  const { value } = await b.frames().next();
  assert.deepEqual(value, frame(BROADCAST, A));
  await watching;
  clearInterval(sending);
  assert.ok(seen.some(({ point, nic, bytes }) => point === 'egress' && nic === 'b' && bytes.length === 60));
  assert.ok(seen.some(({ point, nic, reason }) => point === 'drop' && nic === 'b' && reason === 'macSpoofed'));
  assert.deepEqual(await lab.trace('b', frame(BROADCAST, B)),
    ['ingress on b: VLAN 0', 'egress on a: plain', 'delivered to a']);
  assert.equal((await lab.status()).ports?.length, 2);
  await host[Symbol.asyncDispose]();
  assert.deepEqual(SwitchDirectory.open().names(), []);
  assert.equal(a.isConnected, false);
});

test('a capture that nothing passes ends when it is told to', async () => {
  await using host = await Host.open();
  const lab = await host.createSwitch({ name: 'quiet' });
  await using port = await lab.connect({ name: 'a' });
  assert.ok(port.isConnected);
  const frames = lab.capture();
  const next = frames.next();
  await frames.return(undefined);
  assert.equal((await next).done, true);
});

test('what cannot be is refused in a sentence', async () => {
  await using host = await Host.open();
  const lab = await host.createSwitch({ name: 'other' });
  await assert.rejects(lab.connect({ name: 'a', mac: 'x' }), /a MAC address is one station's/);
  await assert.rejects(host.createVM({ name: 'v', kernel: '/x', nics: [{ switch: 'nowhere' }] }),
    /there is no switch "nowhere"/);
  const vm = await host.createVM({ name: 'v', kernel: '/x', nics: [{ switch: lab }] });
  assert.equal(vm.name, 'v');
});
