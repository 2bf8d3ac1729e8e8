/**
 * Debian's own daemons as the peers of the services: the guest's name, kernel and addresses, values both ways, a
 * snapshot of a disk under writes, which e2fsck finds clean, and a file of 4 MiB. The daemon tells the addresses of
 * every interface but the loopback.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takeSnapshot } from '../../src/machine/snapshot.ts';
import { convertDisk } from '../../src/storage/convert.ts';
import { createDisk } from '../../src/storage/create-disk.ts';
import { guestFacts } from '../../src/host/guest-facts.ts';
import { debianGuest } from './debian-guest.ts';

const COMMAND_MS = 5 * 60_000;
const ADDRESSES = ['192.0.2.7', '2001:db8::7'];
const FILE_BYTES = 4 << 20;
const DISK_BYTES = 64 << 20;

const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const [disk, child, copy] = ['disk.vhdx', 'child.vhdx', 'copy.raw'].map((name) => join(folder, name)) as
  [string, string, string];
createDisk(disk, { format: 'vhdx', sizeBytes: DISK_BYTES });

await using guest = await debianGuest(['hyperv-daemons', 'socat', 'e2fsprogs'], [{ path: disk, readOnly: false }]);
const { machine } = guest;
const { vmbus } = machine;
await guest.run(`ip link set eth0 up; ${
  ADDRESSES.map((address) => `ip address add ${address} dev eth0`).join('; ')}`, COMMAND_MS);
await guest.run('mkdir -p /var/lib/hyperv', COMMAND_MS);
await guest.run('pgrep -x hv_kvp_daemon || { hv_kvp_daemon; hv_vss_daemon; hv_fcopy_daemon; }', COMMAND_MS);

await guest.until('the daemon is there', () => vmbus.kvp.version !== undefined, COMMAND_MS);
const facts = guestFacts(await machine.kvp.facts());
assert.equal(facts.kernel, (await guest.run('uname -r', COMMAND_MS)).trim());
assert.equal(facts.name, (await guest.run('hostname -f 2>/dev/null || hostname', COMMAND_MS)).trim());
for (const address of ADDRESSES) {
  assert.ok(facts.addresses.includes(address), `${address} is not in ${JSON.stringify(facts)}`);
}

await machine.kvp.set(0, 'from the host', 'größer');
// A record of the pool is the name and the value, each with whatever the daemon had behind it.
assert.match(await guest.run("tr '\\0' '|' < /var/lib/hyperv/.kvp_pool_0", COMMAND_MS), /^from the host\|[^]*gr/);
assert.equal(await machine.kvp.get(0, 'from the host'), 'größer');
const record = `perl -e 'print pack("a512a2048", "from the guest", "yes")' > /var/lib/hyperv/.kvp_pool_1`;
await guest.run(record, COMMAND_MS);
assert.equal(await machine.kvp.get(1, 'from the guest'), 'yes');

assert.equal(await vmbus.snapshots.canFreeze(), true);
await guest.run('mkfs.ext4 -q /dev/sda && mkdir -p /mnt/disk && mount /dev/sda /mnt/disk', COMMAND_MS);
await guest.run('(i=0; while [ ! -e /tmp/enough ]; do i=$((i+1)); echo $i > /mnt/disk/$i; done) > /dev/null 2>&1 & :',
  COMMAND_MS);
const files = (): Promise<string> => guest.run('ls /mnt/disk | wc -l', COMMAND_MS);
while (Number(await files()) < 100);
const children = [{ address: { controller: 0, lun: 0 }, path: child }];
await takeSnapshot({ storage: machine.storage, snapshots: vmbus.snapshots }, children, COMMAND_MS);
const then = Number(await files());
while (Number(await files()) < then + 100);
await convertDisk(disk, copy, { format: 'raw' });
// Frozen, it has nothing in its journal: it is clean without a look at that.
const check = spawnSync('e2fsck', ['-n', '-f', copy], { encoding: 'utf8' });
assert.equal(check.status, 0, check.stdout + check.stderr);
assert.match(spawnSync('dumpe2fs', ['-h', copy], { encoding: 'utf8' }).stdout, /^Filesystem state: +clean/m);
assert.doesNotMatch(spawnSync('dumpe2fs', ['-h', copy], { encoding: 'utf8' }).stdout, /needs_recovery/);
await guest.run('touch /tmp/enough; sync', COMMAND_MS);
assert.equal(await machine.storage.merge({ controller: 0, lun: 0 }), disk);
await guest.run('umount /mnt/disk && e2fsck -n -f /dev/sda', COMMAND_MS);

const file = randomBytes(FILE_BYTES);
await vmbus.fileCopy.copy('/var/tmp/new/file', file, { createPath: true });
const sum = createHash('sha256').update(file).digest('hex');
assert.equal((await guest.run('sha256sum < /var/tmp/new/file', COMMAND_MS)).slice(0, 64), sum);

assert.doesNotMatch(await guest.run('dmesg', COMMAND_MS), /WARNING:|BUG|Oops|Call Trace/);
await machine.shutdown();
assert.deepEqual(await guest.ended, { kind: 'off' });
process.stdout.write(`figure: ${facts.name}, ${facts.kernel}, ${facts.addresses.join(' ')}; a value each way; ` +
  'a snapshot that is clean, merged again; a file of 4 MiB\n');
