/**
 * Whatever a guest sends on a socket's channel, and however it opens and closes it: nothing throws, streams end, and
 * what arrives is what was in the packets that make sense.
 */
import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { OperatingError } from '../src/kit/errors.ts';
import { ManualTimers } from '../src/kit/timers.ts';
import { CHANNEL_MESSAGES } from '../src/protocols/vmbus/message-table.ts';
import type { GuestChannel } from '../src/vmbus/testing/guest-channel.ts';
import { GuestDriver } from '../src/vmbus/testing/guest-driver.ts';
import { Sockets } from '../src/vsp/socket/device.ts';
import type { FuzzTarget, Tally } from '../tools/fuzz-target.ts';

const HALF_AN_HOUR_MS = 30 * 60_000;
const HOST_PORT = 5;
/** Room for the rings of a few channels. */
const MEMORY_BYTES = 2 ** 20;
const VSOCK_SUFFIX = 'facb-11e6-bd58-64006a7986d3';

const serviceId = (port: number): string => `${port.toString(16).padStart(8, '0')}-${VSOCK_SUFFIX}`;

const step = fc.record({
  kind: fc.constantFrom('data', 'data', 'data', 'wrong', 'noise', 'finish', 'write', 'end', 'read', 'close',
    'rescinded', 'connect', 'request', 'time', 'pause', 'resume', 'listen', 'no-port'),
  bytes: fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.nat({ max: 6000 }).map((length) => new Uint8Array(length))),
  number: fc.oneof(fc.nat({ max: 8 }), fc.nat({ max: 0xffff_ffff })),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
/** Without a connection most steps have nothing to do. */
const CONNECT: Step = { kind: 'connect', bytes: new Uint8Array(0), number: 0 };
const WRONG: readonly string[] = ['wrong', 'noise'];

/** A packet of the pipe that says how long it is, or lies about that. */
function packet(type: number, size: number, bytes: Uint8Array): Uint8Array {
  const head = new Uint8Array(new Uint32Array([type, size]).buffer);
  return Uint8Array.from([...head, ...bytes]);
}

class World {
  readonly timers = new ManualTimers();
  readonly guest: GuestDriver = new GuestDriver({
    memoryBytes: MEMORY_BYTES,
    onConnectRequest: (endpoint, service) => this.sockets.connectRequested(endpoint, service),
  });
  readonly sockets = new Sockets({ bus: this.guest.bus, timers: this.timers });
  readonly streams: Duplex[] = [];
  readonly channels: GuestChannel[] = [];

  constructor() {
    this.sockets.listen(HOST_PORT, (stream) => this.#keep(stream));
    this.guest.connect();
  }

  async take({ kind, bytes, number }: Step): Promise<void> {
    const channel = this.channels[number % Math.max(this.channels.length, 1)];
    const stream = this.streams[number % Math.max(this.streams.length, 1)];
    switch (kind) {
      case 'data': channel?.send(packet(1, bytes.length, bytes)); break;
      case 'finish': channel?.send(packet(1, 0, new Uint8Array(0))); break;
      case 'wrong': channel?.send(packet(number & 3, number, bytes.subarray(0, 2000))); break;
      case 'noise': channel?.send(bytes.subarray(0, 2000)); break;
      case 'write': if (stream?.writable === true) stream.write(bytes); break;
      case 'end': stream?.end(); break;
      case 'pause': stream?.pause(); break;
      case 'resume': stream?.resume(); break;
      case 'read': channel?.down.setControl(4, channel.down.control(0)); break;
      case 'close': if (channel) this.guest.post(CHANNEL_MESSAGES.CloseChannel, { relid: channel.relid }); break;
      case 'rescinded': stream?.destroy(); break;
      case 'time': this.timers.advance(number % 200_000); break;
      case 'listen': assert.throws(() => this.sockets.listen(HOST_PORT, () => {}), OperatingError); break;
      case 'no-port': assert.throws(() => this.sockets.listen(number + 0.5, () => {}), OperatingError); break;
      case 'connect': void this.sockets.connect(number & 0xffff).then((each) => this.#keep(each), () => {}); break;
      case 'request':
        this.guest.post(CHANNEL_MESSAGES.TlConnectRequest, {
          guestEndpoint: serviceId(number), hostService: serviceId((number & 1) === 0 ? HOST_PORT : number),
        });
        break;
      default: kind satisfies never;
    }
    for (const relid of this.guest.takeOffers().values()) {
      // Some are never opened.
      const opened = this.channels.length < 6 && (number & 3) !== 3 ? this.guest.open(relid, 3) : undefined;
      if (opened !== undefined) this.channels.push(opened);
    }
    for (const each of this.channels) each.ring();
    await setImmediate();
  }

  #keep(stream: Duplex): void {
    stream.on('error', () => {});
    stream.resume();
    this.streams.push(stream);
  }
}

async function trySockets(steps: readonly Step[], tally: Tally): Promise<void> {
  const world = new World();
  for (const each of steps) {
    tally.input(!WRONG.includes(each.kind));
    await world.take(each);
  }
  world.guest.bus.disconnect();
  world.timers.advance(HALF_AN_HOUR_MS);
  for (const stream of world.streams) stream.resume();
  await setImmediate();
  for (const stream of world.streams) stream.destroy();
  await setImmediate();
  assert.ok(world.streams.every(({ destroyed }) => destroyed));
}

export const target: FuzzTarget = {
  name: 'hv-socket',
  covers: ['src/vsp/socket/'],
  async run(seed, iterations, tally) {
    const sockets = fc.asyncProperty(fc.array(step, { maxLength: 30 }),
      (steps) => trySockets([CONNECT, ...steps], tally));
    await fc.assert(sockets, { seed, numRuns: iterations });
  },
};
