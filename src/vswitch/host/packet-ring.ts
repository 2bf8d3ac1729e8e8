/**
 * The frames that a packet socket receives, in a ring of memory that the kernel shares with us: no call and no copy of
 * the kernel's own for each of them [Linux Documentation/networking/packet_mmap.rst, TPACKET_V2]. What is longer than a
 * slot, as a large segment is, comes through the socket besides.
 */
import { OperatingError } from '../../kit/errors.ts';
import type { MappedMemory, NativeCalls, NativeMemory } from '../../kit/native-calls.ts';
import type { FrameSink } from '../../kit/network-endpoint.ts';
import { VLAN_TAG_BYTES } from '../../protocols/ethernet.ts';
import {
  MSG_DONTWAIT, PACKET_VERSION_2, PacketOption, PacketRingRequest, PacketSlot, PacketSlotStatus, PacketStatistics,
  SOL_PACKET, VirtioNetHeader,
} from '../../protocols/linux-network.ts';
import { copyBytes, MAX_FRAME_BYTES } from '../link/frame-batch.ts';
import type { RingMemory } from './packet-rings.ts';
import { optionWord } from './socket-option.ts';
import { offloadOf, segmentOf } from './virtio-header.ts';

/**
 * Slots are as large as a frame of an ordinary MTU wants, and no power of two: the lines of many slots would share few
 * places in a cache. They lie in blocks, of which each has a whole number of them.
 */
const SLOT_BYTES = 1664;
const BLOCK_BYTES = 1 << 16;
const BLOCK_COUNT = 64;
const BLOCK_SLOTS = Math.floor(BLOCK_BYTES / SLOT_BYTES);
const SLOT_COUNT = BLOCK_COUNT * BLOCK_SLOTS;
const RING_BYTES = BLOCK_BYTES * BLOCK_COUNT;
const TAG_AT = 12;
const HEADER = VirtioNetHeader.$size;
const ROOM_BYTES = HEADER + MAX_FRAME_BYTES;
const VLAN_TYPE = 0x8100;

export class PacketRing {
  /** Of the frames that are given, all but long and tagged ones. */
  readonly memory: RingMemory;
  readonly #descriptor: number;
  readonly #mapped: MappedMemory;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #receive: (...parameters: unknown[]) => number;
  readonly #getOption: (...parameters: unknown[]) => number;
  /** A frame that came besides. */
  readonly #long: NativeMemory;
  readonly #longView: DataView;
  readonly #tagged = new Uint8Array(MAX_FRAME_BYTES + VLAN_TAG_BYTES);
  /** Where each slot is; the next one to look at, and how many before it are not given back. */
  readonly #places = Int32Array.from({ length: SLOT_COUNT }, (_, slot) =>
    Math.floor(slot / BLOCK_SLOTS) * BLOCK_BYTES + (slot % BLOCK_SLOTS) * SLOT_BYTES);
  #slot = 0;
  #held = 0;
  #lost = 0;
  #isClosed = false;

  /** @throws OperatingError when the system does not give the socket a ring. */
  constructor(descriptor: number, native: NativeCalls) {
    this.#descriptor = descriptor;
    this.#receive = native.function('long recv(int descriptor, size_t buffer, size_t count, int flags)');
    this.#getOption =
      native.function('int getsockopt(int descriptor, int level, int name, void *value, void *length)');
    const setOption =
      native.function('int setsockopt(int descriptor, int level, int name, void *value, uint32_t length)');
    const set = (name: number, value: Uint8Array): boolean =>
      setOption(descriptor, SOL_PACKET, name, value, value.length) === 0;
    const ring = new Uint8Array(PacketRingRequest.$size);
    PacketRingRequest.encode(new DataView(ring.buffer), 0, {
      blockBytes: BLOCK_BYTES, blockCount: BLOCK_COUNT, frameBytes: SLOT_BYTES, frameCount: SLOT_COUNT,
    });
    const isSet = set(PacketOption.Version, optionWord(PACKET_VERSION_2))
      && set(PacketOption.CopyThreshold, optionWord(1)) && set(PacketOption.ReceiveRing, ring);
    const mapped = isSet ? native.map(descriptor, RING_BYTES) : undefined;
    if (mapped === undefined) {
      throw new OperatingError('host', `cannot share a ring of frames with the system: error ${native.errno()}`);
    }
    this.#mapped = mapped;
    this.#words = new Int32Array(mapped.buffer);
    this.#bytes = new Uint8Array(mapped.buffer);
    this.#view = new DataView(mapped.buffer);
    this.memory = { bytes: this.#bytes, view: this.#view, address: Number(mapped.address) };
    this.#long = native.allocate(ROOM_BYTES);
    this.#longView = new DataView(this.#long.bytes.buffer);
  }

  /** Frames for which there was no room. */
  get lost(): number {
    const value = new Uint8Array(PacketStatistics.$size);
    // What is asked for begins anew with that.
    if (!this.#isClosed && this.#getOption(
      this.#descriptor, SOL_PACKET, PacketOption.Statistics, value, optionWord(value.length)) === 0) {
      this.#lost += PacketStatistics.drops.get(new DataView(value.buffer), 0);
    }
    return this.#lost;
  }

  // Hot path: a turn of the loop for each frame. Nothing is allocated. Words of the ring are read and written plainly:
  // an x86-64 host sees loads in their order, stores in theirs and behind the loads before them, and that is enough.
  /** Gives up to so many frames to `sink`, as they lie in the ring, where they stay until `release`. How many. */
  give(sink: FrameSink, most: number): number {
    let count = 0;
    for (; count < most && !this.#isClosed; count++) {
      const at = this.#places[this.#slot] as number;
      const status = this.#words[at >>> 2] as number;
      if ((status & PacketSlotStatus.User) === 0) break;
      this.#frame(sink, at, status);
      this.#slot = this.#slot + 1 === SLOT_COUNT ? 0 : this.#slot + 1;
      this.#held++;
    }
    return count;
  }

  /** Nobody has to do with the frames any more that were given. */
  release(): void {
    for (; this.#held > 0 && !this.#isClosed; this.#held--) {
      const slot = this.#slot - this.#held;
      const at = this.#places[slot < 0 ? slot + SLOT_COUNT : slot] as number;
      this.#words[at >>> 2] = 0;
    }
  }

  /** Nobody polls the descriptor any more. */
  close(): void {
    this.#lost = this.lost;
    this.#isClosed = true;
    this.#mapped.unmap();
  }

  #frame(sink: FrameSink, at: number, status: number): void {
    const view = this.#view;
    const tag = (status & PacketSlotStatus.VlanValid) === 0 ? -1 : PacketSlot.vlanControl.get(view, at);
    const type = (status & PacketSlotStatus.VlanTypeValid) === 0 ? VLAN_TYPE : PacketSlot.vlanType.get(view, at);
    const length = PacketSlot.snapLength.get(view, at);
    const frame = at + PacketSlot.mac.get(view, at);
    if ((status & PacketSlotStatus.Copy) !== 0) {
      // Safety: the memory is ours, and that large.
      const got = this.#receive(this.#descriptor, this.#long.address, ROOM_BYTES, MSG_DONTWAIT);
      if (got > HEADER) this.#give(sink, this.#long.bytes, this.#longView, HEADER, got - HEADER, tag, type);
    } else if (length < PacketSlot.length.get(view, at) || frame + length > at + SLOT_BYTES) this.#lost++;
    else this.#give(sink, this.#bytes, view, frame, length, tag, type);
  }

  /** @param tag control word of the tag that the host took off, or -1 */
  #give(
    sink: FrameSink, bytes: Uint8Array, view: DataView, at: number, length: number, tag: number, type: number,
  ): void {
    const segment = segmentOf(view, at - HEADER);
    if (segment < 0 || length > MAX_FRAME_BYTES - VLAN_TAG_BYTES || length < TAG_AT) return;
    const offload = offloadOf(view, at - HEADER);
    if (tag < 0) {
      sink.deliver(bytes, at, length, offload, segment);
      return;
    }
    const tagged = this.#tagged;
    copyBytes(bytes, at, tagged, 0, TAG_AT);
    tagged.set([type >>> 8, type & 0xff, tag >>> 8, tag & 0xff], TAG_AT);
    copyBytes(bytes, at + TAG_AT, tagged, TAG_AT + VLAN_TAG_BYTES, length - TAG_AT);
    sink.deliver(tagged, 0, length + VLAN_TAG_BYTES, offload, segment);
  }
}
