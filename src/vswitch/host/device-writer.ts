/**
 * Writes frames to an interface of the host: to a packet socket those of a turn in one call, to a TAP interface, which
 * has no such call, one by one.
 */
import type { NativeCalls } from '../../kit/native-calls.ts';
import type { FrameSink } from '../../kit/network-endpoint.ts';
import { MSG_DONTWAIT, VirtioNetHeader } from '../../protocols/linux-network.ts';
import { copyBytes } from '../link/frame-batch.ts';
import type { FrameDevice } from './frame-device.ts';
import { MessageVector } from './message-vector.ts';
import type { PacketRings, RingMemory } from './packet-rings.ts';
import { writeVirtioHeader } from './virtio-header.ts';

/** Frames in one call. */
const VECTOR = 32;
const HEADER = VirtioNetHeader.$size;

export class DeviceWriter implements FrameSink {
  readonly #descriptor: number;
  readonly #isTap: boolean;
  readonly #messages: MessageVector;
  readonly #write: (...parameters: unknown[]) => number;
  readonly #send: (...parameters: unknown[]) => number;
  readonly #rings: PacketRings;
  /** Where the last frame lay, and the ring when that was one. */
  #known: Uint8Array | undefined;
  #ring: RingMemory | undefined;
  #waiting = 0;
  #isScheduled = false;
  #isKeeping = false;
  /** Frames for which the interface had no room. */
  lostFrames = 0;

  constructor(device: FrameDevice, native: NativeCalls, rings: PacketRings) {
    this.#descriptor = device.descriptor;
    this.#isTap = device.kind === 'tap';
    this.#rings = rings;
    this.#messages = new MessageVector(native, device.kind === 'tap' ? 1 : VECTOR);
    this.#write = native.function('long write(int descriptor, size_t buffer, size_t count)');
    this.#send = native.function('int sendmmsg(int descriptor, size_t messages, uint count, int flags)');
  }

  // Hot path: one a frame.
  /** False: it is not one that an interface takes, or a TAP interface has no room. */
  deliver(bytes: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    if (bytes !== this.#known) {
      this.#known = bytes;
      this.#ring = this.#rings.memoryOf(bytes);
    }
    const ring = this.#ring;
    if (ring === undefined) return this.#deliverCopy(bytes, offset, length, offload, segmentBytes);
    const at = offset - HEADER;
    if (!writeVirtioHeader(ring.view, at, bytes, offset, length, offload, segmentBytes)) return false;
    return this.#put(ring.address + at, HEADER + length, true);
  }

  #deliverCopy(bytes: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    const { view, memory } = this.#messages;
    const at = this.#messages.roomAt(this.#waiting);
    if (!writeVirtioHeader(view, at, bytes, offset, length, offload, segmentBytes)) return false;
    copyBytes(bytes, offset, memory.bytes, at + HEADER, length);
    return this.#put(this.#messages.address + at, HEADER + length, false);
  }

  /** False: a TAP interface has no room. */
  #put(address: number, length: number, isInRing: boolean): boolean {
    // Safety: the memory is ours, and holds that much.
    if (this.#isTap) return this.#write(this.#descriptor, address, length) > 0;
    this.#messages.setPlace(this.#waiting, address, length);
    if (++this.#waiting === VECTOR) this.#flush();
    else if (isInRing) this.#keep();
    else this.#schedule();
    return true;
  }

  /** Frames of a ring stay there until they are gone. */
  #keep(): void {
    if (this.#isKeeping) return;
    this.#isKeeping = true;
    this.#rings.keep(this.#letGo);
  }

  readonly #letGo = (): void => {
    this.#isKeeping = false;
    this.#flush();
  };

  /** Frames that come in one turn of the switch go together. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#waiting === 0) return;
    const count = this.#waiting;
    this.#waiting = 0;
    // Safety: the messages and what they name lie in memory of ours, or in a ring that is ours until the turn ends.
    const sent = this.#send(this.#descriptor, this.#messages.address, count, MSG_DONTWAIT);
    this.lostFrames += count - Math.max(sent, 0);
  }
}
