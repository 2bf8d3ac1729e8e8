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
import { offloadOf, segmentOf } from './virtio-header.ts';

const SLOT_BYTES = 2048;
const SLOT_SHIFT = 11;
const SLOT_COUNT = 2048;
const BLOCK_BYTES = 1 << 16;
const RING_BYTES = SLOT_BYTES * SLOT_COUNT;
const TAG_AT = 12;
const HEADER = VirtioNetHeader.$size;
const ROOM_BYTES = HEADER + MAX_FRAME_BYTES;
const VLAN_TYPE = 0x8100;

export class PacketRing {
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
  #slot = 0;
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
      blockBytes: BLOCK_BYTES, blockCount: RING_BYTES / BLOCK_BYTES, frameBytes: SLOT_BYTES, frameCount: SLOT_COUNT,
    });
    const isSet = set(PacketOption.Version, word(PACKET_VERSION_2)) && set(PacketOption.CopyThreshold, word(1))
      && set(PacketOption.ReceiveRing, ring);
    const mapped = isSet ? native.map(descriptor, RING_BYTES) : undefined;
    if (mapped === undefined) {
      throw new OperatingError('host', `cannot share a ring of frames with the system: error ${native.errno()}`);
    }
    this.#mapped = mapped;
    this.#words = new Int32Array(mapped.buffer);
    this.#bytes = new Uint8Array(mapped.buffer);
    this.#view = new DataView(mapped.buffer);
    this.#long = native.allocate(ROOM_BYTES);
    this.#longView = new DataView(this.#long.bytes.buffer);
  }

  /** Frames for which there was no room. */
  get lost(): number {
    const value = new Uint8Array(PacketStatistics.$size);
    // What is asked for begins anew with that.
    if (!this.#isClosed && this.#getOption(
      this.#descriptor, SOL_PACKET, PacketOption.Statistics, value, word(value.length)) === 0) {
      this.#lost += PacketStatistics.drops.get(new DataView(value.buffer), 0);
    }
    return this.#lost;
  }

  // Hot path: a turn of the loop for each frame. Nothing is allocated.
  /** Gives up to so many frames to `sink`, as they lie in the ring; how many there were. */
  give(sink: FrameSink, most: number): number {
    let count = 0;
    for (; count < most && !this.#isClosed; count++) {
      const at = this.#slot << SLOT_SHIFT;
      const status = Atomics.load(this.#words, at >>> 2);
      if ((status & PacketSlotStatus.User) === 0) break;
      this.#frame(sink, at, status);
      if (this.#isClosed) break;
      Atomics.store(this.#words, at >>> 2, 0);
      this.#slot = (this.#slot + 1) & (SLOT_COUNT - 1);
    }
    return count;
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

function word(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
