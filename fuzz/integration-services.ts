/**
 * Whatever a guest answers to an integration service or sends on a socket, nothing throws and everything that was
 * asked for ends, if only by its timeout.
 */
import fc from 'fast-check';
import type { Clock } from '../src/kit/clock.ts';
import { ManualTimers } from '../src/kit/timers.ts';
import { FileCopy } from '../src/vsp/fcopy/device.ts';
import { Heartbeat } from '../src/vsp/heartbeat/device.ts';
import { KeyValueExchange } from '../src/vsp/kvp/device.ts';
import { Shutdown } from '../src/vsp/shutdown/device.ts';
import { Sockets } from '../src/vsp/socket/device.ts';
import { GuestUtility, settle } from '../src/vsp/testing/guest-utility.ts';
import { TimeSync } from '../src/vsp/timesync/device.ts';
import { VolumeSnapshots } from '../src/vsp/vss/device.ts';
import type { ChannelService } from '../src/vmbus/offer.ts';
import { GuestDriver } from '../src/vmbus/testing/guest-driver.ts';
import type { FuzzTarget } from '../tools/fuzz-target.ts';

const HALF_AN_HOUR_MS = 30 * 60_000;
const clock: Clock = { nowNs: () => 5e9, wallMs: () => 1.7e12 };

interface Asked {
  readonly service: ChannelService;
  /** Everything that can be asked of the service. */
  readonly ask: () => Promise<unknown>[];
}

const SERVICES: readonly ((timers: ManualTimers) => Asked)[] = [
  (timers) => ({ service: new Heartbeat({ timers }), ask: () => [] }),
  (timers) => ({ service: new TimeSync({ clock, timers, referenceTime: () => 1 }), ask: () => [] }),
  (timers) => {
    const service = new Shutdown({ timers });
    return { service, ask: () => [service.request({})] };
  },
  (timers) => {
    const service = new KeyValueExchange({ timers });
    return {
      service,
      ask: () => [service.facts(), service.get(0, 'a'), service.set(1, 'a', 'b'), service.addresses('x')],
    };
  },
  (timers) => {
    const service = new VolumeSnapshots({ timers });
    return { service, ask: () => [service.canFreeze(), service.freeze(), service.thaw()] };
  },
  (timers) => {
    const service = new FileCopy({ timers });
    return { service, ask: () => [service.copy('/a/b', new Uint8Array(7000))] };
  },
];

const answer = fc.record({
  kind: fc.constantFrom('echo', 'echo', 'echo', 'noise', 'short'),
  status: fc.constantFrom(0, 0, 0x8007_0103, 0x8000_4005),
  changes: fc.array(fc.tuple(fc.nat({ max: 120 }), fc.nat({ max: 255 })), { maxLength: 4 }),
  noise: fc.uint8Array({ maxLength: 200 }),
});
type Answer = typeof answer extends fc.Arbitrary<infer T> ? T : never;

async function tryService(which: number, negotiates: boolean, answers: readonly Answer[]): Promise<void> {
  const timers = new ManualTimers();
  const { service, ask } = (SERVICES[which] as (timers: ManualTimers) => Asked)(timers);
  const utility = new GuestUtility(service);
  if (negotiates) utility.negotiate();
  const asked = Promise.allSettled(ask());
  for (const { kind, status, changes, noise } of answers) {
    const message = utility.take();
    if (kind === 'noise' || message === undefined) utility.channel.send(noise);
    else if (kind === 'short') utility.channel.send(message.bytes.subarray(0, noise.length));
    else {
      utility.answer(message, status, (body) => {
        for (const [at, value] of changes) if (at < body.byteLength) body.setUint8(at, value);
      });
    }
    await settle();
  }
  utility.guest.bus.disconnect();
  timers.advance(HALF_AN_HOUR_MS);
  await asked;
}

async function trySocket(packets: readonly Uint8Array[]): Promise<void> {
  const timers = new ManualTimers();
  const guest = new GuestDriver();
  const sockets = new Sockets({ bus: guest.bus, timers });
  guest.connect();
  const connecting = sockets.connect(1);
  const [relid] = guest.takeOffers().values();
  const channel = guest.open(relid as number);
  const stream = await connecting;
  stream.resume();
  stream.end('data');
  for (const packet of packets) {
    channel?.send(packet);
    guest.bus.poll();
    await settle();
  }
  guest.bus.disconnect();
  timers.advance(HALF_AN_HOUR_MS);
}

const packet = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  fc.tuple(fc.nat({ max: 64 }), fc.uint8Array({ maxLength: 64 })).map(([size, data]) =>
    Uint8Array.from([1, 0, 0, 0, size, 0, 0, 0, ...data])));

export const target: FuzzTarget = {
  name: 'integration-services',
  async run(seed, iterations) {
    const services = fc.tuple(fc.nat({ max: SERVICES.length - 1 }), fc.boolean(), fc.array(answer, { maxLength: 12 }));
    await fc.assert(fc.asyncProperty(services, (all) => tryService(...all)), { seed, numRuns: iterations });
    await fc.assert(fc.asyncProperty(fc.array(packet, { maxLength: 10 }), trySocket), { seed, numRuns: iterations });
  },
};
