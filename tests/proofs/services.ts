/**
 * Debian's own daemons and socat in a Debian user space as the peers of the services: facts and values, freezing, a
 * file of 4 MiB, 64 MiB through AF_VSOCK each way, and the heartbeat rescinded and offered again a thousand times.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { type GuestImage, PARTOUT } from '../guest.ts';
import { MachineGuest } from '../machine-guest.ts';

const BOOT_MS = 30 * 60_000;
const COMMAND_MS = 5 * 60_000;
const MEMORY_BYTES = 2 ** 31;
const FILE_BYTES = 4 << 20;
const STREAM_BYTES = 64 << 20;
const TIMES = 1000;
const SINK_PORT = 5001;
const SOURCE_PORT = 5002;

const words = ['image', 'build', 'debian-initramfs', '--json', '--package', 'hyperv-daemons', '--package', 'socat'];
const { status, stdout, stderr } = spawnSync(PARTOUT, words, { encoding: 'utf8' });
if (status !== 0) throw new Error(`partout ${words.join(' ')} ended with ${status}:\n${stderr}`);
const image = JSON.parse(stdout) as GuestImage;

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

function ended(stream: Duplex): Promise<void> {
  return new Promise((resolve) => { stream.once('close', () => resolve()); });
}

await using guest = await MachineGuest.start({ ...image, memoryBytes: MEMORY_BYTES });
const { machine } = guest;
const { vmbus } = machine;
await guest.expect(/login: /, BOOT_MS);
guest.type('root\n');
await guest.expect(/# /, COMMAND_MS);
// A shell without colours and line editing. Its first prompt is the one in the echo of this line.
guest.type("exec env PS1='/ # ' sh\n");
await guest.prompt(COMMAND_MS);
await guest.prompt(COMMAND_MS);
await guest.run('dmesg -n 1; mkdir -p /var/lib/hyperv', COMMAND_MS);
await guest.run('pgrep -x hv_kvp_daemon || { hv_kvp_daemon; hv_vss_daemon; hv_fcopy_daemon; }', COMMAND_MS);

await guest.until('the daemon is there', () => vmbus.kvp.version !== undefined, COMMAND_MS);
const facts = await machine.kvp.facts();
assert.equal(facts.get('OSBuildNumber'), (await guest.run('uname -r', COMMAND_MS)).trim());
await machine.kvp.set(0, 'from the host', 'größer');
// A record of the pool is the name and the value, each with whatever the daemon had behind it.
assert.match(await guest.run("tr '\\0' '|' < /var/lib/hyperv/.kvp_pool_0", COMMAND_MS), /^from the host\|[^]*gr/);
assert.equal(await machine.kvp.get(0, 'from the host'), 'größer');

assert.equal(await vmbus.snapshots.canFreeze(), true);
await vmbus.snapshots.freeze();
await vmbus.snapshots.thaw();

const file = randomBytes(FILE_BYTES);
await vmbus.fileCopy.copy('/var/tmp/new/file', file, { createPath: true });
assert.equal((await guest.run('sha256sum < /var/tmp/new/file', COMMAND_MS)).slice(0, 64), sha256(file));

const { heartbeat, bus } = vmbus;
const before = { lists: bus.gpadls.count, offers: bus.offers.all().length };
const data = randomBytes(STREAM_BYTES);
guest.type(`socat -u VSOCK-LISTEN:${SINK_PORT} - > /tmp/got & sleep 1; echo "sink:" is up\n`);
await guest.expect(/sink: is up/, COMMAND_MS);
const sink = await machine.socket(SINK_PORT);
sink.resume();
sink.end(data);
await ended(sink);
await guest.prompt(COMMAND_MS);
const arrived = await guest.run('wait; sha256sum < /tmp/got', COMMAND_MS);
assert.equal(/[0-9a-f]{64}/.exec(arrived)?.[0], sha256(data));
const back: Buffer[] = [];
using listening = vmbus.sockets.listen(SOURCE_PORT, (stream) => {
  stream.on('data', (part: Buffer) => back.push(part));
  stream.end();
});
assert.ok(listening);
await guest.run(`socat -u /tmp/got VSOCK-CONNECT:2:${SOURCE_PORT}`, COMMAND_MS);
await guest.until('the connection is gone', () => vmbus.sockets.connectionCount === 0, COMMAND_MS);
assert.equal(sha256(Buffer.concat(back)), sha256(data));

for (let i = 0; i < TIMES; i++) {
  const offer = bus.offers.all().find(({ service }) => service === heartbeat) ?? assert.fail('it is not offered');
  bus.rescind(offer);
  await guest.until('the guest lets go', () => !bus.offers.all().includes(offer), COMMAND_MS);
  assert.ok(bus.offer(heartbeat));
  await guest.until('the heart beats', () => heartbeat.health === 'ok', COMMAND_MS);
}
assert.deepEqual({ lists: bus.gpadls.count, offers: bus.offers.all().length }, before);

assert.doesNotMatch(await guest.run('dmesg', COMMAND_MS), /WARNING:|BUG|Oops|Call Trace/);
await machine.shutdown();
assert.deepEqual(await guest.ended, { kind: 'off' });
process.stdout.write(`figure: facts ${facts.size}, a file of 4 MiB, 64 MiB each way, ${TIMES} times rescinded\n`);
