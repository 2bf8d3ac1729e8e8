import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HypervisorBusPort } from './bus-port.ts';
import { Connections } from '../hypervisor/connections.ts';
import { SynicPort } from '../hypervisor/synic-port.ts';
import { InterruptRouter } from '../hypervisor/interrupt-router.ts';
import { resetControl } from '../hypervisor/testing/fixture.ts';
import {
  CHANNEL_MESSAGES as M, ChannelMessageHeader, GpadlTorndown, MAX_RELID, ModifyChannelResponse, OfferChannel,
  OpenChannelResult, TlConnectResult, VersionResponse,
} from '../protocols/vmbus/message-table.ts';
import { VmbusVersion } from '../protocols/vmbus/versions.ts';
import { VmBus } from './bus.ts';
import type { GuestChannel } from './testing/guest-channel.ts';
import { GuestDriver } from './testing/guest-driver.ts';
import { LoopbackPort } from './testing/loopback.ts';
import type { Offer } from './offer.ts';
import { RecordingService, TEST_CLASS } from './testing/recording-service.ts';

const BODY = ChannelMessageHeader.$size;

function offered(): { guest: GuestDriver; service: RecordingService; relid: number } {
  const guest = new GuestDriver();
  const service = new RecordingService();
  guest.bus.offer(service);
  return { guest, service, relid: guest.connect().get(TEST_CLASS) as number };
}

function versionAnswer(guest: GuestDriver, version: number, targetVp = 0): object {
  guest.post(M.InitiateContact, { version, targetVp, sint: 2 });
  const [processor] = guest.port.toGuest.map((each) => each.processor);
  const [message] = guest.messages();
  assert.equal(message?.number, M.VersionResponse.number);
  const { supported, value } = VersionResponse.decode(message.view, BODY);
  return { supported, value, length: message.view.byteLength, processor };
}

test('every version from 2.4 to 5.3 is taken, older and newer ones are refused', () => {
  const guest = new GuestDriver();
  for (const version of Object.values(VmbusVersion)) {
    const value = version >= VmbusVersion.Win10V5 ? 4 : version;
    assert.deepEqual(versionAnswer(guest, version), { supported: 1, value, length: 16, processor: 0 });
  }
  assert.equal(guest.bus.version, '5.3');
  for (const version of [0, 0x0000_000d, 0x0001_0001, 0x0005_0004, 0x0006_0000, 0xffff_ffff]) {
    assert.deepEqual(versionAnswer(guest, version), { supported: 0, value: 0, length: 16, processor: 0 });
    assert.equal(guest.bus.version, undefined);
  }
});

test('answers go to the processor that the guest named; one that is not there is refused', () => {
  const guest = new GuestDriver();
  assert.deepEqual(versionAnswer(guest, VmbusVersion.Server2022, 1), {
    supported: 1, value: 4, length: 16, processor: 1,
  });
  assert.deepEqual(versionAnswer(guest, VmbusVersion.Server2022, 2), {
    supported: 0, value: 0, length: 16, processor: 0,
  });
});

test('offers are made once they are asked for, and once', () => {
  const guest = new GuestDriver();
  guest.bus.offer(new RecordingService(1));
  guest.bus.offer(new RecordingService(2));
  guest.post(M.RequestOffers, {});
  assert.deepEqual(guest.numbers(), [], 'nobody is connected');
  guest.post(M.InitiateContact, { version: VmbusVersion.Win10, sint: 2 });
  assert.deepEqual(guest.numbers(), [M.VersionResponse.number]);
  guest.post(M.RequestOffers, {});
  const messages = guest.messages();
  assert.deepEqual(messages.map(({ number }) => number), [1, 1, M.AllOffersDelivered.number]);
  const offer = OfferChannel.decode((messages[1] as { view: DataView }).view, BODY);
  assert.equal(offer.relid, 2);
  assert.equal(offer.connectionId, 2050);
  assert.equal(offer.isDedicatedInterrupt, 1);
  assert.equal(offer.interfaceId, TEST_CLASS);
  guest.post(M.RequestOffers, {});
  assert.deepEqual(guest.numbers(), []);
  guest.bus.offer(new RecordingService(3));
  assert.deepEqual(guest.numbers(), [1], 'later ones come by themselves');
  assert.equal(guest.bus.offer(new RecordingService(3)), undefined, 'an instance is offered once');
});

test('a channel opens, closes and opens again', () => {
  const { guest, service, relid } = offered();
  for (let i = 0; i < 3; i++) {
    const channel = guest.open(relid) as GuestChannel;
    assert.ok(channel.send(new Uint8Array(8)));
    assert.equal(guest.open(relid), undefined, 'it is open');
    guest.post(M.CloseChannel, { relid });
    assert.deepEqual(guest.numbers(), [], 'closing has no answer');
  }
  assert.deepEqual(service.log, ['opened', 'closed', 'opened', 'closed', 'opened', 'closed']);
  assert.equal(service.received.length, 3);
});

test('a page list of several messages is complete with its last page', () => {
  const { guest, relid } = offered();
  assert.equal(guest.makeGpadl(relid, 26).status, 0);
  assert.equal(guest.makeGpadl(relid, 27).status, 0);
  assert.equal(guest.makeGpadl(relid, 26 + 28 * 3 + 1).status, 0);
  assert.equal(guest.bus.gpadls.count, 3);
});

test('page lists that make no sense are refused and leave nothing', () => {
  const { guest, relid } = offered();
  const tail = new Uint8Array(8);
  const status = (values: object, pages = tail): number => {
    guest.post(M.GpadlHeader, { relid, gpadl: 1, rangeCount: 1, byteCount: 4096, ...values }, pages);
    const [message] = guest.messages();
    assert.equal(message?.number, M.GpadlCreated.number);
    return message.view.getUint32(BODY + 8, true);
  };
  for (const values of [
    { relid: 99 }, { rangeCount: 2 }, { rangeCount: 0 }, { byteCount: 0 }, { byteOffset: 4096 },
    { byteCount: 0xffff_ffff, byteOffset: 4095 },
  ]) assert.equal(status(values), 0xc000_0001, JSON.stringify(values));
  const beyond = new Uint8Array(8).fill(0xff);
  assert.equal(status({}, beyond), 0xc000_0001, 'a page that is not RAM');
  assert.equal(guest.bus.gpadls.count, 0);
  assert.equal(status({}), 0);
  assert.equal(status({}), 0xc000_0001, 'the number is taken');
  guest.post(M.GpadlBody, { gpadl: 77 }, tail);
  assert.deepEqual(guest.numbers(), [], 'a body of nothing');
});

test('lists that are torn down are answered, and free the number; a ring takes its channel along', () => {
  const { guest, service, relid } = offered();
  guest.open(relid);
  guest.post(M.GpadlTeardown, { relid, gpadl: 0xe1e10 });
  const [answer] = guest.messages();
  assert.equal(answer?.number, M.GpadlTorndown.number);
  assert.equal(GpadlTorndown.gpadl.get(answer.view, BODY), 0xe1e10);
  assert.deepEqual(service.log, ['opened', 'closed']);
  assert.equal(guest.bus.gpadls.count, 0);
  guest.post(M.GpadlTeardown, { relid, gpadl: 5 });
  assert.deepEqual(guest.numbers(), [M.GpadlTorndown.number], 'answered whatever it names');
});

test('a list outlives the close of its channel', () => {
  const { guest, relid } = offered();
  const { gpadl } = guest.makeGpadl(relid, 2);
  guest.open(relid);
  guest.post(M.CloseChannel, { relid });
  assert.equal(guest.bus.gpadls.pagesOf(gpadl, relid)?.pageCount, 2);
});

test('a channel does not open on a ring that is not there, too small, or of another channel', () => {
  const guest = new GuestDriver();
  const service = new RecordingService(1);
  guest.bus.offer(service);
  guest.bus.offer(new RecordingService(2));
  guest.connect();
  const { gpadl } = guest.makeGpadl(1, 8);
  const status = (values: object): number => {
    guest.post(M.OpenChannel, { relid: 1, openId: 42, ringGpadl: gpadl, downstreamPageOffset: 4, ...values });
    const [message] = guest.messages();
    assert.equal(message?.number, M.OpenChannelResult.number);
    const result = OpenChannelResult.decode(message.view, BODY);
    assert.equal(result.openId, 42);
    return result.status;
  };
  for (const values of [
    { ringGpadl: 1 }, { downstreamPageOffset: 0 }, { downstreamPageOffset: 1 }, { downstreamPageOffset: 7 },
    { downstreamPageOffset: 8 }, { downstreamPageOffset: 0xffff_ffff }, { relid: 2 }, { targetVp: 2 },
    { targetVp: 0xffff_ffff },
  ]) assert.equal(status(values), 0xc000_0001, JSON.stringify(values));
  assert.deepEqual(service.log, []);
  assert.equal(status({}), 0);
  guest.post(M.OpenChannel, { relid: 77, openId: 42, ringGpadl: gpadl, downstreamPageOffset: 4 });
  assert.deepEqual(guest.numbers(), [], 'there is no such channel');
});

test('a rescinded channel is closed at once and gone when the guest lets go of it', () => {
  const { guest, service, relid } = offered();
  const offer = guest.bus.offers.get(relid);
  assert.ok(offer);
  const channel = guest.open(relid) as GuestChannel;
  guest.bus.rescind(offer);
  assert.deepEqual(guest.numbers(), [M.RescindChannelOffer.number]);
  assert.deepEqual(service.log, ['opened', 'closed']);
  channel.ring();
  guest.post(M.OpenChannel, { relid, openId: relid, ringGpadl: 0, downstreamPageOffset: 4 });
  guest.post(M.CloseChannel, { relid });
  assert.deepEqual(guest.numbers(), [], 'what still comes for it is not answered');
  assert.equal(guest.bus.offer(service), undefined, 'not offered again before it is released');
  guest.post(M.RelidReleased, { relid });
  assert.deepEqual(service.log, ['opened', 'closed', 'released']);
  assert.equal(guest.bus.offers.get(relid), undefined);
  assert.equal(guest.bus.gpadls.count, 0);
  assert.ok(guest.bus.offer(service));
});

test('a service that finishes what was begun is closed when the guest closes its rescinded channel', () => {
  const { guest, service, relid } = offered();
  service.outlivesRescind = true;
  const channel = guest.open(relid) as GuestChannel;
  guest.bus.rescind(guest.bus.offers.get(relid) as Offer);
  assert.deepEqual(guest.numbers(), [M.RescindChannelOffer.number]);
  channel.send(Uint8Array.of(1));
  channel.ring();
  assert.equal(service.received.length, 1);
  assert.deepEqual(service.log, ['opened']);
  guest.post(M.CloseChannel, { relid });
  assert.deepEqual(service.log, ['opened', 'closed']);
  assert.deepEqual(guest.numbers(), []);
  guest.post(M.RelidReleased, { relid });
  assert.deepEqual(service.log, ['opened', 'closed', 'released']);
});

test('a channel that is being rescinded gets no more sub-channels', () => {
  const { guest, service, relid } = offered();
  service.outlivesRescind = true;
  guest.open(relid);
  const sub = guest.bus.offer(new RecordingService(1), 1);
  assert.ok(sub);
  guest.open(sub.relid, 4, 1);
  guest.bus.rescind(guest.bus.offers.get(relid) as Offer);
  guest.post(M.RelidReleased, { relid: sub.relid });
  assert.equal(guest.bus.offer(new RecordingService(1), 1), undefined);
});

test('a guest that breaks a rescinded channel, or forgets it, closes it', () => {
  for (const end of ['break', 'release', 'clear'] as const) {
    const { guest, service, relid } = offered();
    service.outlivesRescind = true;
    guest.open(relid);
    guest.bus.rescind(guest.bus.offers.get(relid) as Offer);
    if (end === 'break') service.channel?.fail('broken');
    else if (end === 'release') guest.post(M.RelidReleased, { relid });
    else guest.bus.disconnect();
    assert.deepEqual(service.log.slice(0, 2), ['opened', 'closed'], end);
    assert.equal(guest.numbers().filter((number) => number === M.RescindChannelOffer.number).length, 1, end);
  }
});

test('sub-channels have their own ring, and go when their primary closes', () => {
  const { guest, service, relid } = offered();
  guest.open(relid);
  const subService = new RecordingService(1);
  const sub = guest.bus.offer(subService, 1);
  const [message] = guest.messages();
  assert.equal(OfferChannel.decode((message as { view: DataView }).view, BODY).subChannelIndex, 1);
  assert.ok(sub);
  guest.open(sub.relid, 4, 1)?.send(Uint8Array.of(1));
  assert.equal(subService.received.length, 1);
  subService.channel?.send(Uint8Array.of(1));
  assert.deepEqual(guest.port.signals, [`1:${sub.relid}`]);
  guest.post(M.CloseChannel, { relid });
  assert.deepEqual(guest.numbers(), [M.RescindChannelOffer.number]);
  assert.deepEqual(subService.log, ['opened', 'closed']);
  assert.deepEqual(service.log, ['opened', 'closed']);
});

test('another processor can take a channel, and 5.3 is told so', () => {
  const { guest, service, relid } = offered();
  guest.open(relid);
  const modify = (values: object): number => {
    guest.post(M.ModifyChannel, { relid, ...values });
    const [message] = guest.messages();
    return message === undefined ? -1 : ModifyChannelResponse.status.get(message.view, BODY);
  };
  assert.equal(modify({ targetVp: 1 }), 0);
  service.channel?.send(Uint8Array.of(1));
  assert.deepEqual(guest.port.signals, [`1:${relid}`]);
  assert.equal(modify({ targetVp: 2 }), 0xc000_0001);
  assert.equal(modify({ relid: 9, targetVp: 0 }), 0xc000_0001);
  assert.equal(modify({ targetVp: 0xffff_ffff }), 0);
  guest.connect(VmbusVersion.Win10V5_2);
  guest.open(relid);
  assert.equal(modify({ targetVp: 1 }), -1, 'before 5.3 there is no answer');
});

test('unload closes everything and the guest can come back; so can one that never said goodbye', () => {
  const { guest, service, relid } = offered();
  guest.open(relid);
  guest.post(M.Unload, {});
  assert.deepEqual(guest.numbers(), [M.UnloadResponse.number]);
  assert.deepEqual(service.log, ['opened', 'closed']);
  assert.equal(guest.bus.gpadls.count, 0);
  assert.equal(guest.port.openConnections.size, 0);
  assert.equal(guest.connect().get(TEST_CLASS), relid);
  guest.open(relid);
  assert.equal(guest.connect().get(TEST_CLASS), relid);
  assert.deepEqual(service.log, ['opened', 'closed', 'opened', 'closed']);
});

test('a program of the guest that connects is refused unless somebody takes it', () => {
  const wanted: string[] = [];
  const guest = new GuestDriver({ onConnectRequest: (endpoint, service) => {
    wanted.push(endpoint, service);
    return service.startsWith('1');
  } });
  guest.connect();
  const [guestEndpoint, refused] = ['aaaaaaaa-0000-0000-0000-000000000000', '20000000-0000-0000-0000-000000000000'];
  guest.post(M.TlConnectRequest, { guestEndpoint, hostService: refused }, new Uint8Array(16));
  const [message] = guest.messages();
  assert.equal(message?.number, M.TlConnectResult.number);
  assert.deepEqual(TlConnectResult.decode(message.view, BODY), {
    guestEndpoint, hostService: refused, status: 0xc000_0236,
  });
  guest.post(M.TlConnectRequest, { guestEndpoint, hostService: '10000000-0000-0000-0000-000000000000' });
  assert.deepEqual(guest.numbers(), []);
  assert.equal(wanted.length, 4);
});

test('what is no message of the guest is passed over', () => {
  const { guest } = offered();
  for (const bytes of [[], [1], [14, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0], [99, 0, 0, 0, 0, 0, 0, 0],
    [5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]]) guest.postBytes(Uint8Array.from(bytes));
  assert.deepEqual(guest.numbers(), []);
  assert.match(guest.bus.trace.lines().at(-1) ?? '', /^guest: OPENCHANNEL cut to 12 bytes$/);
  const old = new GuestDriver();
  old.connect(VmbusVersion.Win8);
  const nobody = '20000000-0000-0000-0000-000000000000';
  old.post(M.TlConnectRequest, { guestEndpoint: nobody, hostService: nobody });
  assert.deepEqual(old.numbers(), [], 'nor is one of a later version');
});

test('a guest that does not read its messages is not listened to', () => {
  const port = new LoopbackPort();
  const guest = new GuestDriver({ port });
  guest.connect();
  port.room = 0;
  for (let i = 0; i < 500; i++) guest.post(M.GpadlTeardown, { relid: 1, gpadl: i });
  assert.ok(guest.bus.outbox.save().length <= 64);
  port.room = 7;
  let answers = 0;
  for (let turns = 0; turns < 100; turns++) {
    guest.bus.poll();
    answers += guest.numbers().length;
  }
  assert.equal(answers, 500, 'and gets every answer once it reads');
});

test('2047 channels can be offered, one more cannot', () => {
  const guest = new GuestDriver();
  for (let i = 0; i < MAX_RELID; i++) assert.ok(guest.bus.offer(new RecordingService(i)));
  assert.equal(guest.bus.offer(new RecordingService(MAX_RELID)), undefined);
});

test('a saved bus goes on: channels stay open, packets and messages under way are not lost', () => {
  const { guest, service, relid } = offered();
  const channel = guest.open(relid) as GuestChannel;
  service.channel?.ledger.setParameter(3, 77);
  service.channel?.ledger.take(5, 6, 1);
  service.channel?.send(Uint8Array.of(1, 2, 3));
  service.onSignalled = () => {};
  channel.send(Uint8Array.of(4));
  guest.port.room = 0;
  guest.bus.offer(new RecordingService(2));
  const state = structuredClone(guest.bus.saveState());

  const port = new LoopbackPort();
  const bus = new VmBus({ memory: guest.memory, port });
  // Another order of offers than before: ids follow the state.
  bus.offer(new RecordingService(3));
  const later = new RecordingService(1);
  bus.offer(later);
  bus.offer(new RecordingService(2));
  bus.restoreState(state);
  assert.deepEqual(later.log, ['restored']);
  const { ledger } = later.channel ?? assert.fail('it is not open');
  assert.equal(ledger.parameter(3), 77);
  const open: number[][] = [];
  ledger.forEachOpen((slot, low, high, note) => open.push([slot, low, high, note]));
  assert.deepEqual(open, [[0, 5, 6, 1]]);
  bus.poll();
  assert.deepEqual(later.received.map((each) => each[0]), [4]);
  later.channel?.send(Uint8Array.of(9));
  assert.deepEqual(channel.receiveAll().map(({ payload }) => payload[0]), [1, 9]);
  assert.ok(port.toGuest.some(({ message }) => message[0] === M.OfferChannel.number), 'the offer that had no room');
  const again = bus.saveState();
  const ours = (saved: typeof state): unknown => saved.offers.find((offer) => offer.relid === relid);
  assert.deepEqual(ours(again), ours(state));
  assert.deepEqual(again.gpadls, state.gpadls);
  assert.deepEqual(again.connection, state.connection);
});

test('a channel whose service is not there any more is rescinded after a restore', () => {
  const { guest, relid } = offered();
  guest.open(relid);
  const port = new LoopbackPort();
  const bus = new VmBus({ memory: guest.memory, port });
  bus.restoreState(guest.bus.saveState());
  assert.deepEqual(port.toGuest.map(({ message }) => message[0]), [M.RescindChannelOffer.number]);
  assert.throws(() => bus.restoreState({ ...guest.bus.saveState(), version: 2 }), /has version 2; .* version 1/);
});

test('over the microkernel, a channel is a connection and a flag', () => {
  const control = resetControl(1);
  const connections = new Connections(control);
  const synic = new SynicPort({ control, router: new InterruptRouter({ control }) });
  const port = new HypervisorBusPort({ synic, connections, doorbell: 2 });
  assert.equal(connections.post(4, 0, 1, Uint8Array.of(1)), 0);
  assert.deepEqual(port.takeMessage()?.payload, Uint8Array.of(1));
  port.openEvents(5);
  assert.equal(connections.signal(port.connectionId(5), 0), 0);
  const seen: number[] = [];
  port.takeSignals((relid) => seen.push(relid));
  assert.deepEqual(seen, [5]);
  port.closeEvents(5);
  assert.notEqual(connections.signal(port.connectionId(5), 0), 0);
});
