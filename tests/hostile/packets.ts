/** Packets of every protocol that a channel may speak, each with something wrong in it, and the numbers for that. */

import { RndisType } from '../../src/protocols/rndis.ts';
import { NvspType, NvspVersion } from '../../src/protocols/nvsp.ts';
import { StorvscOperation, StorvscVersion } from '../../src/protocols/storvsc.ts';
import { PACKET_TRAILER_SIZE, PacketDescriptor, PacketType } from '../../src/protocols/vmbus/ring-layout.ts';

/** Numbers that follow from a seed [Marsaglia, "Xorshift RNGs"]. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (Math.imul(seed, 0x9e37_79b1) ^ 0x5bd1_e995) | 1;
  }

  /** 32 bits, small and round ones more often than by chance. */
  number(): number {
    const bits = this.#next();
    return this.of([bits, bits & 0xff, bits & 0xfff8, 2 ** (bits & 31), -(bits & 15) >>> 0, bits & ~0xfff]) >>> 0;
  }

  below(limit: number): number {
    return (this.#next() >>> 0) % limit;
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  #next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state;
  }
}

export function noise(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

/** Numbers that mean something to a packet. */
export interface Meanings {
  readonly gpadls: number;
  readonly channels: number;
  /** A page number of RAM. */
  readonly page: number;
}

function words(...values: readonly number[]): Buffer {
  return Buffer.from(Uint32Array.from(values.map((value) => value >>> 0)).buffer);
}

/** Answers of integration services: a pipe header, a message header, and a body. */
function integration(random: Random): Buffer {
  const body = noise(random, random.of([0, 8, 16, 64, 512]));
  const header = Buffer.alloc(20);
  header.writeUInt16LE(random.of([1, 3, random.below(65_536)]), 0);
  header.writeUInt16LE(random.below(9), 4);
  header.writeUInt16LE(random.of([1, 3, 5]), 6);
  header.writeUInt16LE(random.of([body.length, 4, 65_535]), 10);
  header.writeUInt32LE(random.of([0, 0x8000_4005]), 12);
  header.writeUInt8(random.below(256), 16);
  header.writeUInt8(random.of([4, 5, 2, 1]), 17);
  const negotiated = words(0x0001_0001, 0, 0x0000_0003, random.of([0x0000_0003, 0x0001_0004]));
  const message = Buffer.concat([header, random.below(3) === 0 ? negotiated : body]);
  return Buffer.concat([words(random.of([1, 1, 2, 9]), random.of([message.length, message.length, random.number()])),
    message]);
}

function storage(random: Random): Buffer {
  const packet = Buffer.alloc(64);
  packet.writeUInt32LE(random.of(Object.values(StorvscOperation)), 0);
  packet.writeUInt32LE(random.of([1, 1, 0]), 4);
  packet.writeUInt16LE(random.of([52, ...Object.values(StorvscVersion)]), 12);
  packet.writeUInt8(random.of([0, 0, 1, 255]), 12 + 7);
  packet.writeUInt8(random.of([6, 10, 16]), 12 + 8);
  packet.writeUInt8(20, 12 + 9);
  packet.writeUInt8(random.of([0, 1, 2]), 12 + 10);
  packet.writeUInt32LE(random.of([512, 4096, 8192, random.number()]), 12 + 12);
  const commands = [0x00, 0x03, 0x12, 0x1a, 0x25, 0x28, 0x2a, 0x35, 0x42, 0x88, 0x8a, 0x9e, 0xa0, random.below(256)];
  noise(random, 16).forEach((byte, n) => packet.writeUInt8(random.below(2) === 0 ? 0 : byte, 28 + n));
  packet.writeUInt8(random.of(commands), 28);
  return packet;
}

function network(random: Random, { gpadls, channels }: Meanings): Buffer {
  const type = random.of(Object.values(NvspType));
  const gpadl = gpadls + random.below(channels + 2);
  const message = random.of<readonly number[]>([
    [type, random.of(Object.values(NvspVersion)), NvspVersion.V61], [type, gpadl, random.of([0xcafe, 0])],
    [type, random.below(2), random.of([0, 0xffff_ffff, random.number()]), random.of([64, 6144, random.number()])],
    [type, 1514, 0, random.number()],
  ]);
  return Buffer.concat([words(...message), Buffer.alloc(40 - message.length * 4)]);
}

function rndis(random: Random): Buffer {
  const length = random.of([8, 12, 24, 28, 44, 200]);
  const message = Buffer.from(noise(random, Math.max(length, 12)));
  message.writeUInt32LE(random.of(Object.values(RndisType)), 0);
  message.writeUInt32LE(random.of([length, length, random.number()]), 4);
  for (let at = 8; at + 4 <= message.length; at += 4) {
    message.writeUInt32LE(random.of([0, 1, 36, 0x0001_0106, random.number()]), at);
  }
  return message;
}

/** Ranges of guest pages, as packets with direct data have them. */
function ranges(random: Random, page: number): Buffer {
  const count = random.of([1, 1, 2, 40, 0]);
  const each = Array.from({ length: Math.min(count, 3) }, () =>
    words(random.of([512, 4096, 9000, random.number()]), random.of([0, 16, 4095, random.number()]),
      page + random.below(8), 0, random.of([page, random.number()]), random.of([0, 0, 1])));
  return Buffer.concat([words(0, count === 40 ? random.number() : count), ...each]);
}

/** A whole packet with its trailer: descriptor, what its type has behind that, payload. */
export function packetOf(random: Random, meanings: Meanings): Uint8Array {
  const type = random.of([PacketType.InBand, PacketType.InBand, PacketType.GpaDirect, PacketType.Completion,
    PacketType.TransferPages, random.below(16)]);
  const payload = random.of([() => integration(random), () => storage(random), () => network(random, meanings),
    () => rndis(random), () => Buffer.from(noise(random, random.below(100)))])();
  const extra = type === PacketType.GpaDirect ? ranges(random, meanings.page)
    : type === PacketType.TransferPages ? words(0xcafe, 1, 64, random.number()) : Buffer.alloc(0);
  const length = Math.ceil((PacketDescriptor.$size + extra.length + payload.length) / 8) * 8;
  const packet = Buffer.alloc(length + PACKET_TRAILER_SIZE);
  PacketDescriptor.encode(new DataView(packet.buffer, packet.byteOffset, packet.length), 0, {
    type, flags: random.below(2), dataOffset8: (PacketDescriptor.$size + extra.length) / 8, length8: length / 8,
    transactionLow: random.of([random.below(4), random.number()]), transactionHigh: 0,
  });
  packet.set(extra, PacketDescriptor.$size);
  packet.set(payload, PacketDescriptor.$size + extra.length);
  if (random.below(3) === 0) packet.writeUInt8(random.below(256), random.below(packet.length));
  return packet;
}
