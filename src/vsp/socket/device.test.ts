import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { ManualTimers } from '../../kit/timers.ts';
import { serviceOfPort } from '../../protocols/vmbus/hv-socket.ts';
import { CHANNEL_MESSAGES as M, ChannelMessageHeader, OfferChannel } from '../../protocols/vmbus/message-table.ts';
import type { GuestChannel } from '../../vmbus/testing/guest-channel.ts';
import { GuestDriver } from '../../vmbus/testing/guest-driver.ts';
import { Sockets } from './device.ts';
import { LINGER_MS } from './stream.ts';

interface Bench {
  readonly guest: GuestDriver;
  readonly sockets: Sockets;
  readonly timers: ManualTimers;
}

function bench(): Bench {
  const timers = new ManualTimers();
  const guest: GuestDriver = new GuestDriver({
    onConnectRequest: (endpoint, service) => sockets.connectRequested(endpoint, service),
  });
  const sockets: Sockets = new Sockets({ bus: guest.bus, timers });
  guest.port.wake = () => { setImmediate(() => guest.bus.poll()); };
  guest.connect();
  return { guest, sockets, timers };
}

/** Lets the bus and the streams do what they have put off. */
async function turn(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => { setImmediate(resolve); });
}

/** The offer that was just made. */
function takeOffer(guest: GuestDriver): ReturnType<typeof OfferChannel.decode> {
  const [message] = guest.messages();
  assert.equal(message?.number, M.OfferChannel.number);
  return OfferChannel.decode(message.view, ChannelMessageHeader.$size);
}

async function connected(pages = 6): Promise<Bench & { stream: Duplex; channel: GuestChannel; relid: number }> {
  const all = bench();
  const connecting = all.sockets.connect(5000);
  const { relid } = takeOffer(all.guest);
  const channel = all.guest.open(relid, pages);
  assert.ok(channel);
  return { ...all, stream: await connecting, channel, relid };
}

function packet(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 1, true);
  view.setUint32(4, data.length, true);
  bytes.set(data, 8);
  return bytes;
}

/** What the host has sent: data, and whether it has ended. */
function received(channel: GuestChannel): { data: Buffer; ended: boolean } {
  const parts: Uint8Array[] = [];
  let ended = false;
  for (const { payload } of channel.receiveAll()) {
    const view = new DataView(payload.buffer);
    const size = view.getUint32(4, true);
    assert.equal(view.getUint32(0, true), 1);
    assert.ok(size <= 16_384);
    if (size === 0) ended = true;
    parts.push(payload.slice(8, 8 + size));
  }
  return { data: Buffer.concat(parts), ended };
}

test('a connection to the guest is an offer of the port, and opening it accepts', async () => {
  const { guest, sockets } = bench();
  const connecting = sockets.connect(5000);
  const offer = takeOffer(guest);
  assert.equal(offer.interfaceId, '00001388-facb-11e6-bd58-64006a7986d3');
  assert.equal(offer.flags, 0x2011);
  assert.deepEqual([...offer.userDefined.subarray(0, 10)], [0, 0, 0, 0, 1, 0, 1, 0, 0, 0]);
  guest.open(offer.relid);
  await connecting;
  assert.equal(sockets.connectionCount, 1);
});

test('a port on which nothing listens times out, and the offer is taken back', async () => {
  const { guest, sockets, timers } = bench();
  const connecting = sockets.connect(5000, 2000);
  takeOffer(guest);
  timers.advance(2000);
  await assert.rejects(connecting, /cannot connect to port 5000 of the guest: nothing there listens on it/);
  assert.deepEqual(guest.numbers(), [M.RescindChannelOffer.number]);
  assert.equal(sockets.connectionCount, 0);
  assert.throws(() => sockets.connect(-1), /-1 is no port/);
});

test('a program of the guest reaches whoever listens', async () => {
  const { guest, sockets } = bench();
  const streams: Duplex[] = [];
  const listening = sockets.listen(6000, (stream) => streams.push(stream));
  assert.throws(() => sockets.listen(6000, () => {}), /port 6000: it is taken/);
  const guestEndpoint = '00000400-facb-11e6-bd58-64006a7986d3';
  guest.post(M.TlConnectRequest, { guestEndpoint, hostService: serviceOfPort(6000) });
  const offer = takeOffer(guest);
  assert.equal(offer.instanceId, guestEndpoint);
  assert.equal(offer.interfaceId, serviceOfPort(6000));
  assert.equal(offer.userDefined[4], 0);
  const channel = guest.open(offer.relid);
  assert.equal(streams.length, 1);
  streams[0]?.write('hello');
  assert.equal(received(channel as GuestChannel).data.toString(), 'hello');
  guest.post(M.TlConnectRequest, { guestEndpoint, hostService: serviceOfPort(6000) });
  assert.deepEqual(guest.numbers(), [M.TlConnectResult.number], 'the same end cannot connect twice');
  listening[Symbol.dispose]();
  guest.post(M.TlConnectRequest, {
    guestEndpoint: guestEndpoint.replace('400', '401'), hostService: serviceOfPort(6000),
  });
  assert.deepEqual(guest.numbers(), [M.TlConnectResult.number], 'nobody listens any more');
});

test('bytes arrive in order in both directions, whatever the sizes', async () => {
  const { stream, channel } = await connected();
  const data = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31) >> 3));
  stream.write(data);
  let got = Buffer.alloc(0);
  for (let rounds = 0; got.length < data.length && rounds < 1000; rounds++) {
    got = Buffer.concat([got, received(channel).data]);
  }
  assert.ok(got.equals(data));
  const parts: Buffer[] = [];
  stream.on('data', (part: Buffer) => parts.push(part));
  for (let at = 0; at < 100_000; at += 3001) {
    assert.ok(channel.send(packet(data.subarray(at, at + 3001))));
    await turn();
  }
  assert.ok(Buffer.concat(parts).equals(data.subarray(0, Buffer.concat(parts).length)));
  assert.equal(Buffer.concat(parts).length, 34 * 3001);
});

test('a reader that falls behind stops the guest, and lets it go on', async () => {
  const { stream, channel, guest, relid } = await connected();
  let sent = 0;
  while (channel.send(packet(new Uint8Array(4088)))) {
    sent++;
    await turn();
    assert.ok(sent < 100, 'nothing stops the guest');
  }
  channel.up.setControl(12, 4120);
  guest.port.signals.length = 0;
  let got = 0;
  stream.on('data', (part: Buffer) => { got += part.length; });
  for (let i = 0; i < 20; i++) {
    await turn();
    guest.bus.poll();
  }
  assert.equal(got, sent * 4088);
  assert.ok(guest.port.signals.includes(`0:${relid}`));
});

test('each direction ends by itself; when both have, the offer is taken back after the guest has read', async () => {
  const { stream, channel, guest, sockets } = await connected();
  stream.end('last words');
  await turn();
  stream.resume();
  channel.send(new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]));
  await turn();
  assert.equal(stream.readableEnded, true);
  await turn();
  assert.deepEqual(guest.numbers(), [], 'the guest has not read yet');
  assert.deepEqual(received(channel), { data: Buffer.from('last words'), ended: true });
  assert.deepEqual(guest.numbers(), [M.RescindChannelOffer.number]);
  assert.equal(sockets.connectionCount, 0);
});

test('what comes after the end of a direction is not read', async () => {
  const { stream, channel, guest } = await connected();
  let error: Error | undefined;
  stream.on('error', (each) => { error = each; });
  stream.resume();
  channel.send(packet(new Uint8Array(0)));
  channel.send(packet(Uint8Array.of(1)));
  await turn();
  assert.equal(error, undefined);
  assert.equal(stream.readableEnded, true);
  assert.deepEqual(guest.numbers(), []);
});

test('a guest that leaves the end in its ring, as Linux does, has read everything', async () => {
  const { stream, channel, guest } = await connected();
  stream.end('last words');
  stream.resume();
  await turn();
  channel.send(packet(new Uint8Array(0)));
  await turn();
  assert.deepEqual(guest.numbers(), []);
  channel.receive();
  assert.deepEqual(guest.numbers(), [M.RescindChannelOffer.number]);
});

test('a guest that never reads does not hold a stream that has ended for ever', async () => {
  const { stream, channel, guest, timers } = await connected();
  stream.end('unread');
  stream.resume();
  await turn();
  channel.send(new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]));
  await turn();
  await turn();
  assert.deepEqual(guest.numbers(), []);
  timers.advance(LINGER_MS);
  assert.deepEqual(guest.numbers(), [M.RescindChannelOffer.number]);
});

test('a peer that dies ends the stream, and a write to it fails', async () => {
  const { stream, guest, relid } = await connected();
  let error: Error | undefined;
  stream.on('error', (each) => { error = each; });
  stream.resume();
  guest.post(M.CloseChannel, { relid });
  await turn();
  assert.equal(stream.readableEnded, true);
  stream.write('into the void');
  await turn();
  assert.match(error?.message ?? '', /the guest closed the connection/);
  assert.deepEqual(guest.numbers(), [M.RescindChannelOffer.number]);
});

for (const [what, bytes] of [
  ['no data', [9, 0, 0, 0, 1, 0, 0, 0, 1]], ['more than was sent', [1, 0, 0, 0, 255, 0, 0, 0, 1]],
  ['a size of all ones', [1, 0, 0, 0, 255, 255, 255, 255, 1]],
] as const) {
  test(`a packet that says ${what} costs the guest the connection`, async () => {
    const { stream, channel, guest } = await connected();
    stream.resume();
    await turn();
    channel.send(Uint8Array.from(bytes));
    await turn();
    guest.bus.poll();
    assert.deepEqual(guest.numbers(), [M.RescindChannelOffer.number]);
  });
}
