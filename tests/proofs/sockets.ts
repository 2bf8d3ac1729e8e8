/**
 * hv_sock with socat in a Debian guest as the peer: 1 GiB there and back, 200 connections at a time, either side ending
 * its direction first, either side dying.
 */

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Readable, type Duplex } from 'node:stream';
import { debianGuest } from './debian-guest.ts';
import { busCounts } from './leaks.ts';

const COMMAND_MS = 5 * 60_000;
const STREAM_MIB = Number(process.argv[2] ?? 1024);
const CONNECTIONS = 200;
const ROUNDS = 3;
const MIB = 2 ** 20;
const ECHO_PORT = 7001;
const DEATH_PORT = 7002;
const HOST_PORT = 6001;

async function* mebibytes(count: number, hash: ReturnType<typeof createHash>): AsyncGenerator<Buffer> {
  for (let i = 0; i < count; i++) {
    const data = randomBytes(MIB);
    hash.update(data);
    yield data;
  }
}

/** Sends a stream, ends that direction, and takes what comes back to its end. */
async function echoOf(stream: Duplex, source: Readable): Promise<{ sum: string; bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  stream.on('data', (part: Buffer) => {
    hash.update(part);
    bytes += part.length;
  });
  const ended = once(stream, 'end');
  source.pipe(stream);
  await ended;
  return { sum: hash.digest('hex'), bytes };
}

await using guest = await debianGuest(['hyperv-daemons', 'socat']);
const { machine } = guest;
const { sockets } = machine.vmbus;
const allGone = (): Promise<void> =>
  guest.until('every connection is gone', () => sockets.connectionCount === 0, COMMAND_MS);
// Longer than half a second, after which socat gives up on a direction when the other has ended.
await guest.run(`socat -t 300 VSOCK-LISTEN:${ECHO_PORT},fork,backlog=${CONNECTIONS} PIPE & sleep 2`, COMMAND_MS);
const before = busCounts(guest);

const start = performance.now();
const sent = createHash('sha256');
const { sum, bytes } = await echoOf(await machine.socket(ECHO_PORT), Readable.from(mebibytes(STREAM_MIB, sent)));
const seconds = (performance.now() - start) / 1000;
assert.equal(bytes, STREAM_MIB * MIB);
assert.equal(sum, sent.digest('hex'));
await allGone();

for (let round = 0; round < ROUNDS; round++) {
  const streams = await Promise.all(Array.from({ length: CONNECTIONS }, () => sockets.connect(ECHO_PORT, COMMAND_MS)));
  assert.equal(sockets.connectionCount, CONNECTIONS);
  const echoes = await Promise.all(streams.map((stream, i) => echoOf(stream, Readable.from([Buffer.alloc(5000, i)]))));
  for (const [i, echo] of echoes.entries()) {
    assert.equal(echo.sum, createHash('sha256').update(Buffer.alloc(5000, i)).digest('hex'));
  }
  await allGone();
}

{
  // The guest ends its direction, and is then answered.
  using listening = sockets.listen(HOST_PORT, (stream) => {
    const parts: Buffer[] = [];
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.once('end', () => stream.end(`you said ${Buffer.concat(parts).toString()}`));
  });
  assert.ok(listening);
  const answer = await guest.run(`echo hello | socat -t 300 - VSOCK-CONNECT:2:${HOST_PORT}`, COMMAND_MS);
  assert.match(answer, /you said hello/);
  await allGone();
}
{
  // The guest's program is killed.
  const accepted = new Promise<Duplex>((resolve) => {
    const listening = sockets.listen(HOST_PORT, (stream) => {
      listening[Symbol.dispose]();
      resolve(stream);
    });
  });
  guest.type(`socat -u VSOCK-CONNECT:2:${HOST_PORT} - > /dev/null & echo "$!" > /tmp/pid\n`);
  const stream = await accepted;
  stream.resume();
  const ended = once(stream, 'end');
  await guest.prompt(COMMAND_MS);
  await guest.run('kill -9 $(cat /tmp/pid)', COMMAND_MS);
  await ended;
  stream.end();
  await allGone();
}
{
  // Our end is gone without a word.
  guest.type(`socat VSOCK-LISTEN:${DEATH_PORT} - < /dev/zero > /dev/null; echo "peer "gone\n`);
  let stream: Duplex | undefined;
  while (stream === undefined) stream = await sockets.connect(DEATH_PORT).catch(() => undefined);
  await once(stream, 'data');
  stream.destroy(new Error('gone'));
  await guest.expect(/peer gone/, COMMAND_MS);
  await guest.prompt(COMMAND_MS);
  await allGone();
}
await guest.until('the guest has let go', () => busCounts(guest).pageLists === before.pageLists, COMMAND_MS);
assert.deepEqual(busCounts(guest), before);
assert.doesNotMatch(await guest.run('dmesg', COMMAND_MS), /WARNING:|BUG|Oops|Call Trace/);
await machine.shutdown();
assert.deepEqual(await guest.ended, { kind: 'off' });
const rate = (2 * STREAM_MIB / seconds).toFixed(1);
process.stdout.write(`figure: ${STREAM_MIB} MiB there and back, sha256 equal, ${rate} MiB/s; ` +
  `${ROUNDS} times ${CONNECTIONS} connections at once; half-closed and killed on either side\n`);
