/**
 * Whatever a guest sends on the channel of its network adapter, and whatever the network does meanwhile: nothing
 * throws, nothing grows, no allocation of the receive buffer is given twice, and a saved state restores. So it is when
 * the thread that serves it ends now and then, in the middle of anything, and another goes on.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { VmBus } from '../src/vmbus/bus.ts';
import { GuestDriver } from '../src/vmbus/testing/guest-driver.ts';
import { LoopbackPort } from '../src/vmbus/testing/loopback.ts';
import { NetworkAdapter } from '../src/vsp/network/device.ts';
import { MAX_WAITING_SENDS } from '../src/vsp/network/transmit.ts';
import { GuestNic, rndisFrame, words } from '../src/vsp/testing/guest-nic.ts';
import { MortalAdapter } from '../src/vsp/testing/mortal-adapter.ts';
import { NetworkEnd } from '../src/vsp/testing/network-end.ts';
import type { FuzzTarget } from '../tools/fuzz-target.ts';

const number = fc.oneof(
  fc.nat({ max: 200 }), fc.constantFrom(0x6_0001, 0xffff_ffff, 0xffff_fff0, 0x8000_0000, 1514, 4096),
  fc.nat({ max: 0xffff_ffff }));

/** A frame to everybody that has something of TCP or UDP in it. */
function inPacket(noise: Uint8Array): Uint8Array {
  const isIpv6 = ((noise[0] ?? 0) & 1) === 1;
  const head = new Uint8Array(isIpv6 ? 54 : 34).fill(0xff, 0, 6);
  head.set(isIpv6 ? [0x86, 0xdd, 0x60] : [8, 0, 0x45], 12);
  const length = noise.length + (isIpv6 ? 0 : 20);
  new DataView(head.buffer).setUint16(isIpv6 ? 18 : 16, length);
  head[isIpv6 ? 20 : 23] = ((noise[0] ?? 0) & 2) === 0 ? 6 : 17;
  return Uint8Array.of(...head, ...noise);
}

const OIDS = [
  0x0001_0204, 0x0001_010e, 0xfc01_020c, 0xfc01_020d, 0x0001_021b, 0x0101_0101, 0x0001_0101, 0x0001_0203, 7,
];
const step = fc.record({
  kind: fc.constantFrom('nvsp', 'control', 'object', 'frame', 'raw', 'completion', 'give', 'room', 'link', 'filter'),
  type: fc.constantFrom(1, 100, 101, 103, 104, 106, 107, 125, 129, 133, 7),
  oid: fc.constantFrom(...OIDS),
  numbers: fc.array(number, { minLength: 8, maxLength: 8 }),
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 300, size: 'max' }),
    fc.uint8Array({ maxLength: 90, size: 'max' }).map(inPacket)),
  /** Where a word of a good message is changed, and to what. */
  place: fc.option(fc.nat({ max: 20 })),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A good message with one word changed. */
function changed(message: Uint8Array, { place, numbers }: Step): Uint8Array {
  const copy = message.slice();
  const at = (place ?? 0) * 4;
  if (place !== null && at + 4 <= copy.length) new DataView(copy.buffer).setUint32(at, numbers[0] ?? 0, true);
  return copy;
}

/** Stores of a step, at most, before its thread ends. */
const MOST_STORES = 64;

class Trial {
  readonly #guest = new GuestDriver();
  readonly #end = new NetworkEnd();
  readonly #mortal: MortalAdapter | undefined;
  readonly #immortal: NetworkAdapter;
  readonly #nic: GuestNic;

  constructor(isMortal: boolean) {
    this.#immortal = this.#adapterOn(this.#end, this.#guest.bus);
    const address = Uint8Array.of(0, 0x15, 0x5d, 0, 0, 1);
    this.#mortal = isMortal ? new MortalAdapter(this.#guest, this.#end, address) : undefined;
    this.#nic = new GuestNic(this.#guest, this.#mortal ?? this.#immortal);
  }

  get #adapter(): NetworkAdapter {
    return this.#mortal?.adapter ?? this.#immortal;
  }

  run(steps: readonly Step[], isStarted: boolean): void {
    this.#nic.completesTransfers = false;
    if (isStarted) {
      this.#nic.completesTransfers = true;
      this.#nic.start({ filter: 0x2d, capabilities: 0x80 });
      if (this.#mortal === undefined) this.#prepare();
    }
    for (const each of steps) {
      if (this.#guest.bus.offers.get(this.#nic.relid)?.phase !== 'open' || this.#mortal?.isBroken === true) return;
      if (this.#mortal === undefined) this.#do(each);
      else if (this.#mortal.killAt((each.numbers[7] ?? 0) % MOST_STORES, () => this.#do(each))) this.#mortal.replace();
      this.#end.frames.splice(0).forEach(({ bytes }) => assert.ok(bytes.length >= 14));
      const state = this.#adapter.saveState();
      const held = state.receive.transfers.flat();
      assert.equal(new Set(held).size, held.length, 'an allocation was given twice');
      assert.ok(state.transmit.waiting.length <= MAX_WAITING_SENDS && state.receive.controls.length <= 16);
    }
    if (this.#mortal === undefined) this.#restore();
  }

  #adapterOn(endpoint: NetworkEnd, bus: VmBus): NetworkAdapter {
    const adapter: NetworkAdapter = new NetworkAdapter({
      instanceId: '00000000-0000-0000-0000-000000000001', macAddress: Uint8Array.of(0, 0x15, 0x5d, 0, 0, 1),
      ram: this.#guest.memory, endpoint, allowsAddressChange: true, queueCount: 3,
      offerSubChannel: (index) => bus.offer(adapter.subChannel(index), index),
    });
    return adapter;
  }

  #do(each: Step): void {
    const { kind, numbers, bytes } = each;
    const [first = 0, second = 0] = numbers;
    const nic = this.#nic;
    if (kind === 'nvsp') nic.channel.send(words(each.type, ...numbers), { flags: first & 1, transaction: second });
    else if (kind === 'control') nic.post({ isControl: true, pages: changed(words(first % 10, 24, 1, 1, 0, 0), each) });
    else if (kind === 'object') this.#object(each);
    else if (kind === 'frame') this.#frame(each);
    else if (kind === 'raw') nic.channel.send(bytes, { type: first % 12, header: headerOf(bytes, second) });
    else if (kind === 'completion') nic.completeTransfer(first, second % 3);
    else if (kind === 'give') this.#end.give(large(bytes, first), second & 7, second & 1 ? numbers[2] : 0);
    else if (kind === 'room') {
      this.#end.room = first & 3;
      this.#end.writable();
    } else if (kind === 'link') {
      this.#end.isConnected = (first & 1) === 0;
      this.#end.onConnectionChange?.();
    } else nic.post({ isControl: true, pages: words(5, 32, 1, 0x0001_010e, 4, 20, 0, 0x20) });
    for (const channel of nic.channels) channel?.ring();
    for (const channel of nic.channels) channel?.receiveAll();
  }

  /** Channels beside the first, scaled receiving, and coalescing. */
  #prepare(): void {
    this.#nic.askForSubChannels(2);
    this.#nic.openSubChannels();
    const scaling = Uint8Array.of(0x89, 2, 40, 0, ...words(0, 0x1701, 16, 40, 40, 56, 0, 0, 0, 0, 1, 2, 0));
    this.#nic.set(0x0001_0204, Uint8Array.of(...scaling, ...new Uint8Array(40).fill(0x6d)));
    this.#nic.set(0xfc01_020c, Uint8Array.of(0x80, 3, 28, 0, ...new Uint8Array(18), 2, 2, 0, 0, 0, 0));
  }

  #object(each: Step): void {
    const { bytes, numbers, oid } = each;
    const message = new Uint8Array(28 + bytes.length);
    message.set(words((numbers[1] ?? 0) & 1 ? 4 : 5, message.length, 1, oid, bytes.length, 20, 0));
    message.set(bytes, 28);
    this.#nic.post({ isControl: true, pages: changed(message, each) });
  }

  #frame(each: Step): void {
    const { bytes, numbers } = each;
    const [first = 0, second = 0, third = 0] = numbers;
    const message = changed(rndisFrame(bytes, [[first % 8, second]]), each);
    const cut = third % message.length;
    if ((third & 1) === 0) this.#nic.post({ section: message.subarray(0, cut), pages: message.subarray(cut) });
    else {
      const lie = each.place === null ? {} : { sectionIndex: first, sectionBytes: second };
      this.#nic.post({ queue: third % 3, section: message, ...lie });
    }
  }

  #restore(): void {
    const end = new NetworkEnd();
    const bus = new VmBus({ memory: this.#guest.memory, port: new LoopbackPort() });
    const later = this.#adapterOn(end, bus);
    bus.offer(later);
    later.restoreState(structuredClone(this.#adapter.saveState()));
    bus.restoreState(structuredClone(this.#guest.bus.saveState()));
    bus.poll();
    bus.disconnect();
  }
}

/** Now and then more than an MTU. */
function large(bytes: Uint8Array, wanted: number): Uint8Array {
  if ((wanted & 3) !== 0) return bytes;
  const result = new Uint8Array(bytes.length + 4000);
  result.set(bytes);
  return result;
}

function headerOf(bytes: Uint8Array, wanted: number): Uint8Array {
  return bytes.slice(0, Math.min(wanted % 6, bytes.length >> 3) * 8);
}

export const target: FuzzTarget = {
  name: 'network',
  covers: ['src/vsp/network/'],
  run(seed, iterations) {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.boolean(), fc.boolean(), (steps, isStarted, isMortal) => {
        new Trial(isMortal).run(steps, isStarted);
      }), { seed, numRuns: iterations });
  },
};
