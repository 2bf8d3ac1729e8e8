/**
 * The switch process is killed 50 times while two NICs send to each other as fast as they may: each time frames pass
 * again, every frame that comes is whole and for whom it came to, and the process that is started anew knows its
 * configuration.
 */

import assert from 'node:assert/strict';
import { readConfiguration } from '../../src/vswitch/service/configuration.ts';
import { ask } from '../../src/vswitch/service/ask.ts';
import { reachSwitches } from '../../src/vswitch/service/start.ts';
import { frame } from '../../src/vswitch/testing/lab.ts';
import { OwnSwitches, until } from '../../src/vswitch/testing/own-switches.ts';

const KILLS = 50;
const ADDRESSES = [0x0015_5d00_0001, 0x0015_5d00_0002];
const OTHER = 0x0015_5d00_0003;
const RUN_FRAMES = 64;
const RUN_MS = 2;
const LONGEST_GAP_MS = 2000;

await using own = new OwnSwitches();
const vlan = { kind: 'access', id: 10 } as const;
own.directory.write(readConfiguration({
  version: 1, name: 'lab', type: 'private', nics: { other: { vlan: { kind: 'access', id: 20 } } },
}));
const nics = ADDRESSES.map((mac, i) => own.nic({ switch: 'lab', nic: `nic${i}`, mac, settings: { vlan } }));
const other = own.nic({ switch: 'lab', nic: 'other', mac: OTHER });
const frames = ADDRESSES.map((mac, i) => frame(ADDRESSES[1 - i]!, mac));
let wrong = 0;
let passed = 0;
/** Takes what came; how many of the two NICs got some. */
function take(): number {
  let withFrames = 0;
  nics.forEach((nic, i) => {
    const got = nic.got.splice(0);
    if (got.length > 0) withFrames++;
    passed += got.length;
    wrong += got.filter((each) => Buffer.compare(each, frames[1 - i]!) !== 0).length;
  });
  return withFrames;
}

const sending = setInterval(() => {
  nics.forEach((nic, i) => { for (let n = 0; n < RUN_FRAMES; n++) nic.link.deliver(frames[i]!, 0, 60, 0, 0); });
  for (const nic of nics) nic.link.flush();
}, RUN_MS);
const gaps: number[] = [];
for (let kill = 0; kill < KILLS; kill++) {
  await until('frames pass', () => take() === 2);
  const pid = await own.processId();
  process.kill(pid as number, 'SIGKILL');
  const started = performance.now();
  await until('both links go', () => nics.every((nic) => !nic.link.isConnected) || performance.now() - started > 5000);
  take();
  await until('both links come', () => nics.every((nic) => nic.link.isConnected));
  await until('frames pass again', () => take() === 2);
  gaps.push(performance.now() - started);
}
clearInterval(sending);
const { ports } = await ask((await reachSwitches(own.directory))!, { kind: 'status', switch: 'lab' }) as
  { ports: { nic: string; vlan: string }[] };
assert.equal(ports.find(({ nic }) => nic === 'other')?.vlan, 'access 20');
assert.equal(wrong, 0, 'frames that were not whole, or not for that NIC');
assert.equal(other.got.length, 0, 'frames of another VLAN');
gaps.sort((a, b) => a - b);
assert.ok((gaps.at(-1) as number) < LONGEST_GAP_MS, `frames pass again after ${gaps.at(-1)} ms`);
const [median, worst] = [gaps[KILLS >> 1]!, gaps.at(-1)!].map(Math.round);
process.stdout.write(
  `figure: ${KILLS} kills, ${passed} frames, back after ${median} ms in the median and ${worst} ms at worst\n`);
