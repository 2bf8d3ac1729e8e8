/**
 * The guest's end of a channel, written from the rules of the ring and not from our own ring: one test's mistake is
 * not hidden by the same one on the other side. Its pages lie in guest memory in reverse order.
 */
import type { GuestMemory } from '../../hypervisor/guest-memory.ts';

export interface GuestPacket {
  readonly type: number;
  readonly flags: number;
  readonly transaction: number;
  /** What lies between the descriptor and the payload, as packets of some types have it. */
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
}

export interface SendOptions {
  readonly type?: number;
  readonly flags?: number;
  readonly transaction?: number;
  /** A multiple of eight bytes. */
  readonly header?: Uint8Array;
}

const PAGE = 4096;

/** One ring over pages of guest memory, for reading and writing at will. */
export class RawRing {
  readonly #view: DataView;
  readonly #pages: readonly number[];
  readonly size: number;

  constructor(memory: GuestMemory, pageNumbers: readonly number[]) {
    this.#view = new DataView(memory.buffer);
    this.#pages = pageNumbers.map((number) => memory.offsetOf(number * PAGE, PAGE));
    this.size = (pageNumbers.length - 1) * PAGE;
  }

  control(offset: number): number {
    return this.#view.getUint32((this.#pages[0] as number) + offset, true);
  }

  setControl(offset: number, value: number): void {
    this.#view.setUint32((this.#pages[0] as number) + offset, value, true);
  }

  byte(position: number): number {
    return this.#view.getUint8(this.#at(position));
  }

  setByte(position: number, value: number): void {
    this.#view.setUint8(this.#at(position), value);
  }

  #at(position: number): number {
    const index = position % this.size;
    return (this.#pages[1 + Math.floor(index / PAGE)] as number) + (index % PAGE);
  }
}

export class GuestChannel {
  readonly relid: number;
  readonly up: RawRing;
  readonly down: RawRing;
  readonly #ringDoorbell: () => void;

  constructor(options: { relid: number; up: RawRing; down: RawRing; ring: () => void }) {
    this.relid = options.relid;
    this.up = options.up;
    this.down = options.down;
    this.#ringDoorbell = options.ring;
  }

  get freeUp(): number {
    const [write, read] = [this.up.control(0), this.up.control(4)];
    return this.up.size - ((write - read + this.up.size) % this.up.size);
  }

  /** False when the ring is full; rings the host when it was empty and unmasked. */
  send(payload: Uint8Array, options: SendOptions = {}): boolean {
    const header = options.header ?? new Uint8Array(0);
    const start = 16 + header.length;
    const length = start + Math.ceil(payload.length / 8) * 8;
    if (this.freeUp <= length + 8) return false;
    const packet = new Uint8Array(length + 8);
    const view = new DataView(packet.buffer);
    const write = this.up.control(0);
    view.setUint16(0, options.type ?? 6, true);
    view.setUint16(2, start / 8, true);
    view.setUint16(4, length / 8, true);
    view.setUint16(6, options.flags ?? 0, true);
    view.setUint32(8, options.transaction ?? 0, true);
    packet.set(header, 16);
    packet.set(payload, start);
    view.setUint32(length + 4, write, true);
    packet.forEach((byte, i) => this.up.setByte(write + i, byte));
    const wasEmpty = write === this.up.control(4);
    this.up.setControl(0, (write + packet.length) % this.up.size);
    if (wasEmpty && this.up.control(8) === 0) this.#ringDoorbell();
    return true;
  }

  /** The next packet; rings the host when that makes the room it waits for. */
  receive(): GuestPacket | undefined {
    const [write, read] = [this.down.control(0), this.down.control(4)];
    if (write === read) return undefined;
    const word16 = (at: number): number => this.down.byte(read + at) | (this.down.byte(read + at + 1) << 8);
    const length = word16(4) * 8;
    const start = word16(2) * 8;
    const bytes = (from: number, to: number): Uint8Array =>
      Uint8Array.from({ length: to - from }, (_, i) => this.down.byte(read + from + i));
    const [header, payload] = [bytes(16, start), bytes(start, length)];
    const free = this.down.size - ((write - read + this.down.size) % this.down.size);
    this.down.setControl(4, (read + length + 8) % this.down.size);
    const pending = this.down.control(12);
    if (pending > 0 && free <= pending && free + length + 8 > pending) this.#ringDoorbell();
    return { type: word16(0), flags: word16(6), transaction: word16(8) | (word16(10) << 16), header, payload };
  }

  receiveAll(): GuestPacket[] {
    const packets: GuestPacket[] = [];
    for (let packet = this.receive(); packet !== undefined; packet = this.receive()) packets.push(packet);
    return packets;
  }

  ring(): void {
    this.#ringDoorbell();
  }
}
