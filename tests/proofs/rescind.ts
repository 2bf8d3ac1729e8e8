/**
 * Every device of a guest is taken away and given back, and closed and opened by the guest, again and again:
 * `rescind.js COUNT`.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guestImage } from '../guest.ts';
import { MachineGuest } from '../machine-guest.ts';
import { allOpen, busCounts, growth, memoryOf } from './leaks.ts';

const BOOT_MS = 10 * 60_000;
const COMMAND_MS = 10 * 60_000;
const MEMORY_BYTES = 512 * 2 ** 20;
const DISK_BYTES = 16 * 2 ** 20;
/** How often the guest opens everything anew for one line that is typed. */
const CHUNK = 20;
const REBIND = `rebind() { for d in /sys/bus/vmbus/devices/*; do [ -e $d/driver ] || continue; n=\${d##*/}; \
v=$(readlink -f $d/driver); echo $n > $v/unbind; echo $n > $v/bind; done; }`;

const UNPLUG = `until [ -e /sys/block/sda/size ]; do sleep 0.1; done; echo 1 > /sys/block/sda/device/delete`;

const count = Number(process.argv[2] ?? 1000);
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
try {
  const disk = join(folder, 'disk');
  writeFileSync(disk, '');
  truncateSync(disk, DISK_BYTES);
  await using guest = await MachineGuest.start({
    ...guestImage('tiny'), memoryBytes: MEMORY_BYTES,
    disks: [{ path: disk, readOnly: false }], nics: [{ network: 'nat' }],
  });
  await guest.prompt(BOOT_MS);
  await guest.run(`dmesg -n 1; ${REBIND}`, COMMAND_MS);
  const { bus } = guest.machine.vmbus;
  const services = bus.offers.all().map(({ service }) => service);
  await allOpen(guest, services.length);
  const counts = busCounts(guest);

  const rescindAll = async (): Promise<void> => {
    // As whoever unplugs a disk does. Linux writes back a disk's cache when it goes, over a channel that it sees gone.
    await guest.run(UNPLUG, COMMAND_MS);
    for (const offer of bus.offers.all()) bus.rescind(offer);
    await guest.until('the guest has let go of everything', () => bus.offers.all().length === 0, COMMAND_MS);
    assert.equal(bus.gpadls.count, 0);
    for (const service of services) assert.ok(bus.offer(service));
    await allOpen(guest, services.length);
  };
  const rebindAll = async (times: number): Promise<void> => {
    const loop = `i=0; while [ $i -lt ${times} ]; do rebind; i=$((i+1)); done; echo "rebound $i"`;
    assert.match(await guest.run(loop, COMMAND_MS), new RegExp(`rebound ${times}`));
    await allOpen(guest, services.length);
  };
  // What is kept for the next time is there after a few.
  const warmUp = Math.min(CHUNK, count);
  for (let i = 0; i < warmUp; i++) await rescindAll();
  await rebindAll(warmUp);
  const memory = await memoryOf(guest, MEMORY_BYTES);
  for (let i = warmUp; i < count; i++) {
    await rescindAll();
    if (i % 100 === 0) process.stdout.write(`${i} times taken away\n`);
  }
  for (let i = warmUp; i < count; i += CHUNK) {
    await rebindAll(Math.min(CHUNK, count - i));
    if (i % 100 === 0) process.stdout.write(`${i} times closed\n`);
  }
  await guest.until('as many page lists as before', () => bus.gpadls.count === counts.pageLists, COMMAND_MS);
  assert.deepEqual(busCounts(guest), counts);
  const grown = growth(memory, await memoryOf(guest, MEMORY_BYTES));
  const { heartbeat } = guest.machine.vmbus;
  await guest.until('the heart beats', () => heartbeat.health === 'ok', COMMAND_MS);
  assert.doesNotMatch(await guest.run('dmesg', COMMAND_MS), /WARNING:|BUG|Oops|Call Trace/);
  process.stdout.write(
    `figure: ${services.length} devices ${count} times rescinded and ${count} times closed; ${grown}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
