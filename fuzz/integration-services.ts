/**
 * Whatever a guest answers to an integration service, nothing throws and everything that was asked for ends, if only by
 * its timeout.
 */
import fc from 'fast-check';
import type { Clock } from '../src/kit/clock.ts';
import { ManualTimers } from '../src/kit/timers.ts';
import { FileCopy } from '../src/vsp/fcopy/device.ts';
import { Heartbeat } from '../src/vsp/heartbeat/device.ts';
import { KeyValueExchange } from '../src/vsp/kvp/device.ts';
import { Shutdown } from '../src/vsp/shutdown/device.ts';
import { GuestUtility, settle } from '../src/vsp/testing/guest-utility.ts';
import { TimeSync } from '../src/vsp/timesync/device.ts';
import { VolumeSnapshots } from '../src/vsp/vss/device.ts';
import type { ChannelService } from '../src/vmbus/offer.ts';
import type { FuzzTarget, Tally } from '../tools/fuzz-target.ts';

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
    return { service, ask: () => [service.request({}), service.request({ restart: true, force: true })] };
  },
  (timers) => {
    const service = new KeyValueExchange({ timers });
    return {
      service,
      ask: () => [service.facts(), service.get(0, 'a'), service.set(1, 'a', 'b'), service.addresses('x'),
        service.addresses('{11111111-2222-3333-4444-555555555555}'), service.delete(1, 'a'), service.ready(10)],
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

async function tryService(
  [which, negotiates, answers]: readonly [number, boolean, readonly Answer[]], tally: Tally,
): Promise<void> {
  const timers = new ManualTimers();
  const { service, ask } = (SERVICES[which] as (timers: ManualTimers) => Asked)(timers);
  const utility = new GuestUtility(service);
  if (negotiates) utility.negotiate();
  const asked = Promise.allSettled(ask());
  for (const { kind, status, changes, noise } of answers) {
    tally.input(kind === 'echo' && changes.length === 0);
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

export const target: FuzzTarget = {
  name: 'integration-services',
  covers: [
    'src/vsp/integration-channel', 'src/vsp/heartbeat/device', 'src/vsp/kvp/device', 'src/vsp/shutdown/device',
    'src/vsp/timesync/device', 'src/vsp/vss/device', 'src/vsp/fcopy/device',
  ],
  async run(seed, iterations, tally) {
    const services = fc.tuple(fc.nat({ max: SERVICES.length - 1 }), fc.boolean(), fc.array(answer, { maxLength: 12 }));
    await fc.assert(fc.asyncProperty(services, (all) => tryService(all, tally)), { seed, numRuns: iterations });
  },
};
