/**
 * Debian's own daemons as the peers of the services: the guest's name, kernel and addresses, values both ways,
 * freezing, and a file of 4 MiB. The daemon tells the addresses of every interface but the loopback.
 */

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { guestFacts } from '../../src/host/guest-facts.ts';
import { debianGuest } from './debian-guest.ts';

const COMMAND_MS = 5 * 60_000;
const ADDRESSES = ['192.0.2.7', '2001:db8::7'];
const FILE_BYTES = 4 << 20;

await using guest = await debianGuest(['hyperv-daemons', 'socat']);
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
await vmbus.snapshots.freeze();
await vmbus.snapshots.thaw();

const file = randomBytes(FILE_BYTES);
await vmbus.fileCopy.copy('/var/tmp/new/file', file, { createPath: true });
const sum = createHash('sha256').update(file).digest('hex');
assert.equal((await guest.run('sha256sum < /var/tmp/new/file', COMMAND_MS)).slice(0, 64), sum);

assert.doesNotMatch(await guest.run('dmesg', COMMAND_MS), /WARNING:|BUG|Oops|Call Trace/);
await machine.shutdown();
assert.deepEqual(await guest.ended, { kind: 'off' });
process.stdout.write(`figure: ${facts.name}, ${facts.kernel}, ${facts.addresses.join(' ')}; a value each way; ` +
  'frozen and thawed; a file of 4 MiB\n');
