/**
 * What the hostile guest does, from a seed: it connects to VMBus and opens every channel as it should, so that there is
 * something to break, and then does everything wrong at once. Half of what it sends is what a driver sends, with a few
 * numbers changed; the rest is noise. The second processor changes what the first has just submitted.
 */

import { HvCall } from '../../src/protocols/tlfs/hypercalls.ts';
import { PostMessageInput, SignalEventInput } from '../../src/protocols/tlfs/messaging.ts';
import { HvMsr } from '../../src/protocols/tlfs/msrs.ts';
import { CHANNEL_MESSAGES, channelMessage, VMBUS_SINT } from '../../src/protocols/vmbus/message-table.ts';
import { VmbusVersion } from '../../src/protocols/vmbus/versions.ts';
import {
  DATA_START, hostileKernel, KernelData, Op, type Operation, SECOND_AT, SECOND_START, SECOND_START_BYTES, SECOND_VECTOR,
} from './kernel.ts';
import { noise, packetOf, Random } from './packets.ts';

export const HOSTILE_MEMORY_BYTES = 64 * 2 ** 20;

const CHANNELS = 9;
const PAGE = 4096;
/** Pages of one direction of a channel; a channel's pages lie in a row. */
const RING_PAGES = 8;
const RINGS = 0x80_0000;
const SIMP = 0x40_0000;
const SIEFP = 0x40_1000;
const HYPERCALL_PAGE = 0x40_2000;
const SCRATCH = 0x41_0000;
const SCRATCH_MASK = 0xffff;
const SLOT = SIMP + VMBUS_SINT * 256;
const APIC = 0xfee0_0000;
const IO_APIC = 0xfec0_0000;
const EVENT_CONNECTIONS = 2048;
/** Messages go here. */
const MESSAGE_CONNECTION = 1;
const CONTACT_CONNECTION = 4;
const FIRST_GPADL = 0x1000;
const PORTS = [0x20, 0x40, 0x43, 0x61, 0x64, 0x70, 0x71, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x600, 0x608, 0xcfc];
/** Registers that end the run, or this processor's part in it. */
const NOT_WRITTEN: readonly number[] = [HvMsr.HV_X64_MSR_RESET, HvMsr.HV_X64_MSR_CRASH_CTL];
const MSRS: readonly number[] = [
  ...Object.values(HvMsr), 0x10, 0x1b, 0x174, 0x1a0, 0x277, 0x2ff, 0x6e0, 0x808, 0x80b, 0x80d, 0x80f, 0x828, 0x830,
  0x832, 0x838, 0x83e, 0x83f, 0xc000_0080, 0xc000_0082, 0xc000_0102, 0x1234_5678,
].filter((msr) => !NOT_WRITTEN.includes(msr));
/** Messages that leave the connection as it is. */
const ORDINARY = Object.values(CHANNEL_MESSAGES).filter(({ name }) => !['UNLOAD', 'INITIATE_CONTACT'].includes(name));
/** Operations of one round of the first processor, channel messages and packets not counted. */
const ROUND = 1500;

class Program {
  readonly operations: Operation[] = [];
  /** One in eight guests resets itself and its other processor whenever it happens on it. */
  readonly #apicRegisters: readonly number[];
  readonly #msrs: readonly number[];
  readonly #random: Random;
  readonly #data: KernelData;
  /** Where the next packet of each channel goes in its ring. */
  readonly #written = new Map<number, number>();

  constructor(random: Random, data: KernelData) {
    this.#random = random;
    this.#data = data;
    const resets = random.below(8) === 0;
    this.#apicRegisters = Array.from({ length: 64 }, (_, n) => n).filter((n) => resets || n !== 0x30);
    this.#msrs = MSRS.filter((msr) => resets || (msr !== 0x830 && msr !== HvMsr.HV_X64_MSR_ICR));
  }

  add(...operations: Operation[]): void {
    this.operations.push(...operations);
  }

  /** The synthetic interrupt controller, and the second processor. */
  begin(): void {
    const write = (msr: number, low: number): Operation => [Op.WriteMsr, msr, low, 0];
    this.add(
      write(HvMsr.HV_X64_MSR_GUEST_OS_ID, 0x8100), write(HvMsr.HV_X64_MSR_HYPERCALL, HYPERCALL_PAGE | 1),
      write(HvMsr.HV_X64_MSR_SIMP, SIMP | 1), write(HvMsr.HV_X64_MSR_SIEFP, SIEFP | 1),
      write(HvMsr.HV_X64_MSR_SCONTROL, 1), write(HvMsr.HV_X64_MSR_SINT0 + VMBUS_SINT, 0x2_0040),
      [Op.Store, APIC + 0xf0, 0x1ff],
      [Op.Copy, SECOND_START, SECOND_AT, SECOND_START_BYTES],
      [Op.Store, APIC + 0x310, 1 << 24], [Op.Store, APIC + 0x300, 0x4500], [Op.Wait, 1000],
      [Op.Store, APIC + 0x310, 1 << 24], [Op.Store, APIC + 0x300, 0x4600 | SECOND_VECTOR], [Op.Enable],
    );
  }

  /** Connects and opens every channel. */
  connect(): void {
    this.post(channelMessage(CHANNEL_MESSAGES.Unload, {}));
    this.add([Op.Wait, 10_000], [Op.Acknowledge, SLOT]);
    const version = VmbusVersion.Server2022;
    this.post(channelMessage(CHANNEL_MESSAGES.InitiateContact, { version, sint: VMBUS_SINT }), CONTACT_CONNECTION);
    this.post(channelMessage(CHANNEL_MESSAGES.RequestOffers, {}));
    for (let n = 0; n < CHANNELS + 3; n++) this.add([Op.Wait, 300], [Op.Acknowledge, SLOT]);
    for (let relid = 1; relid <= CHANNELS; relid++) this.open(relid);
    this.add([Op.Wait, 20_000]);
  }

  open(relid: number): void {
    const first = (RINGS + relid * RING_PAGES * 2 * PAGE) / PAGE;
    const pages = new Uint8Array(new BigUint64Array(
      Array.from({ length: RING_PAGES * 2 }, (_, n) => BigInt(first + n))).buffer);
    const header = channelMessage(CHANNEL_MESSAGES.GpadlHeader, {
      relid, gpadl: FIRST_GPADL + relid, rangeBufferLength: 8 + pages.length, rangeCount: 1,
      byteCount: RING_PAGES * 2 * PAGE, byteOffset: 0,
    });
    this.post(Buffer.concat([header, pages]));
    for (const ring of [0, RING_PAGES]) {
      for (const field of [0, 4, 8, 12]) this.add([Op.Store, (first + ring) * PAGE + field, 0]);
    }
    this.post(channelMessage(CHANNEL_MESSAGES.OpenChannel, {
      relid, openId: relid, ringGpadl: FIRST_GPADL + relid, targetVp: relid & 1, downstreamPageOffset: RING_PAGES,
    }));
    this.add([Op.Acknowledge, SLOT]);
    this.#written.set(relid, 0);
  }

  post(payload: Uint8Array, connectionId = MESSAGE_CONNECTION): void {
    const input = new DataView(new ArrayBuffer(PostMessageInput.$size));
    PostMessageInput.connectionId.set(input, 0, connectionId);
    PostMessageInput.messageType.set(input, 0, 1);
    PostMessageInput.payloadSize.set(input, 0, payload.length);
    new Uint8Array(input.buffer).set(payload.subarray(0, 240), PostMessageInput.payload.offset);
    const at = this.#data.add(new Uint8Array(input.buffer));
    this.add([Op.Hypercall, HvCall.HvCallPostMessage, 0, at], [Op.Acknowledge, SLOT]);
  }

  signal(relid: number): void {
    const input = new DataView(new ArrayBuffer(SignalEventInput.$size));
    SignalEventInput.connectionId.set(input, 0, EVENT_CONNECTIONS + relid);
    this.add([Op.Hypercall, HvCall.HvCallSignalEvent, 0, this.#data.add(new Uint8Array(input.buffer))]);
  }

  /** A packet in a channel's ring, as it should be but for what is in it. */
  packet(relid: number): void {
    const packet = packetOf(this.#random, { gpadls: FIRST_GPADL, channels: CHANNELS, page: SCRATCH / PAGE });
    const size = (RING_PAGES - 1) * PAGE;
    const ring = RINGS + relid * RING_PAGES * 2 * PAGE;
    const from = this.#written.get(relid) ?? 0;
    const at = this.#data.add(packet);
    const first = Math.min(packet.length, size - from);
    this.add([Op.Copy, at, ring + PAGE + from, first]);
    if (first < packet.length) this.add([Op.Copy, at + first, ring + PAGE, packet.length - first]);
    const next = (from + packet.length) % size;
    this.#written.set(relid, next);
    this.add([Op.Store, ring, next]);
    this.signal(relid);
  }

  /** One thing that no driver does. */
  wrong(): void {
    const random = this.#random;
    const relid = 1 + random.below(CHANNELS);
    const ring = RINGS + (relid * 2 + random.below(2)) * RING_PAGES * PAGE;
    const [number, value] = [random.number(), random.number()];
    const code = random.of(Object.values(HvCall)) | random.of([0, 0, 1 << 16, number << 16]);
    const input = random.of([SCRATCH, SCRATCH + 0xff8, value]);
    const kinds: readonly (readonly Operation[])[] = [
      [[Op.WriteMsr, random.of(this.#msrs), number, random.below(3) === 0 ? value : 0]],
      [[Op.ReadMsr, random.of(MSRS.filter((msr) => msr !== HvMsr.HV_X64_MSR_GUEST_IDLE))]],
      [[Op.Hypercall, code, random.of([0, 0, 1, number]), input]],
      [[Op.StoreRandom, ring + random.of([8, 12, 12, 64, random.below(20)]), random.of([1, 0x3ff8])]],
      [[Op.Scribble, ring + PAGE, random.of([0xff, 0xfff, 0x3fff]), 1 + random.below(4)]],
      [[Op.Scribble, random.of([SIMP, SIEFP, SCRATCH]), 0xfff, 1 + random.below(30)]],
      [[Op.Store, APIC + 16 * random.of(this.#apicRegisters), number]],
      [[Op.Load, APIC + 16 * random.below(64)], [Op.Load, random.of([IO_APIC, IO_APIC + 16, 0xfed0_0000])]],
      [[Op.Store, IO_APIC, random.below(64)], [Op.Store, IO_APIC + 16, number]],
      [[random.of([Op.Out8, Op.Out32]), random.of(PORTS), number & 0xff]],
      [[random.of([Op.In8, Op.In32]), random.of(PORTS)]],
      [[Op.Cpuid, 0x4000_0000 + random.below(16), random.below(8)], [Op.Enable]],
    ];
    const chosen = random.below(kinds.length + 1);
    // A flood of events is the last kind.
    for (let n = 0; n < 8 && chosen === kinds.length; n++) this.signal(relid + random.below(3));
    this.add(...kinds[chosen] ?? []);
  }

  /** A channel message with wrong numbers, or noise. */
  message(): void {
    const random = this.#random;
    const bytes = channelMessage(random.of(random.below(10) === 0 ? Object.values(CHANNEL_MESSAGES) : ORDINARY), {});
    const view = new DataView(bytes.buffer);
    for (let at = 8; at + 4 <= bytes.length; at += 4) view.setUint32(at, this.#value(), true);
    const tail = noise(random, random.below(12) * 8);
    this.post(random.below(6) === 0 ? noise(random, random.below(240)) : Buffer.concat([bytes, tail]).subarray(0, 240),
      random.below(10) === 0 ? random.number() : MESSAGE_CONNECTION);
  }

  #value(): number {
    const random = this.#random;
    return random.of([random.below(CHANNELS + 2), FIRST_GPADL + random.below(CHANNELS + 2), random.number(), PAGE, 0]);
  }

  /** Page lists until there is no room for more, of pages that may not be there, and none taken down. */
  exhaust(): void {
    for (let n = 0; n < 300; n++) {
      const pages = new Uint8Array(new BigUint64Array([BigInt(this.#random.number()), 5n]).buffer);
      const header = channelMessage(CHANNEL_MESSAGES.GpadlHeader, {
        relid: 1 + n % CHANNELS, gpadl: 0x10_0000 + n, rangeBufferLength: this.#random.of([24, 24, 2000]),
        rangeCount: 1, byteCount: 2 * PAGE, byteOffset: 0,
      });
      this.post(Buffer.concat([header, pages]));
    }
  }
}

/** A kernel file that follows from the seed alone. */
export function hostileGuest(seed: number): Buffer {
  const random = new Random(seed);
  const data = new KernelData(DATA_START);
  const [first, second] = [new Program(random, data), new Program(random, data)];
  first.begin();
  first.connect();
  for (let n = 0; n < ROUND; n++) {
    const what = random.below(10);
    if (what < 5) first.packet(1 + random.below(CHANNELS));
    else if (what < 9) first.wrong();
    else if (first.operations.length < 6000) first.message();
    if (n % 100 === 99) first.open(1 + random.below(CHANNELS));
    if (n % 150 === 149) first.connect();
  }
  if (random.below(3) === 0) first.exhaust();
  first.post(channelMessage(CHANNEL_MESSAGES.Unload, {}));
  first.add([Op.Wait, 2000], [Op.Acknowledge, SLOT], [Op.Again]);

  // A channel whose indices and packets change all the time is soon gone: one must do.
  const victim = RINGS + (1 + random.below(CHANNELS)) * RING_PAGES * 2 * PAGE;
  second.add([Op.WriteMsr, HvMsr.HV_X64_MSR_SCONTROL, 1, 0], [Op.Enable]);
  for (let n = 0; n < ROUND; n++) {
    second.add([Op.Scribble, SCRATCH, SCRATCH_MASK, 8], [Op.Scribble, victim + PAGE, 0xfff, 1]);
    if (random.below(50) === 0) second.add([Op.StoreRandom, victim, random.of([0x3ff8, 0x7ff8, 0xffff_ffff])]);
    if (random.below(20) === 0) second.wrong();
  }
  second.add([Op.AgainQuietly]);
  return hostileKernel([first.operations, second.operations], data, seed);
}
