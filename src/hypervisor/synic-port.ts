/**
 * The services' way to a processor's synthetic interrupt controller, from any thread: a message waits in a queue of
 * the processor and SINT until the processor's own thread puts it into the guest's slot, and so does an event until it
 * sets the flag in the guest's page [TLFS 11.7, 11.9]. Nobody else writes those pages: an engine that runs one
 * processor may execute the guest's locked instructions as a read and a write, and a flag set between would be lost.
 */
import { PAGE_ENABLE, Sint } from '../protocols/tlfs/msrs.ts';
import { EVENT_FLAG_COUNT, SINT_COUNT } from '../protocols/tlfs/synic.ts';
import type { ControlBuffer } from './control-buffer.ts';
import type { InterruptRouter } from './interrupt-router.ts';
import { MessageRing } from './message-ring.ts';
import { QUEUE_COUNT } from './messaging-layout.ts';
import { VpControl, VpRegisters } from './partition-layout.ts';

const S_CONTROL = VpRegisters.sControl.offset >> 2;
const SIMP = VpRegisters.simp.offset >> 2;
const SIEFP = VpRegisters.siefp.offset >> 2;
const SINTS = VpRegisters.sints.offset >> 2;
const FLAGGED_SINTS = VpControl.flaggedSints.offset >> 2;
const QUEUED_SINTS = VpControl.queuedSints.offset >> 2;

/** What became of a message: on its way, to be sent again when the doorbell rings, or nobody listens. */
export const PostResult = { Queued: 0, Full: 1, NoListener: 2 } as const;
export type PostResult = (typeof PostResult)[keyof typeof PostResult];

export class SynicPort {
  readonly processorCount: number;
  readonly #control: ControlBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #router: InterruptRouter;
  readonly #queues = new Map<number, MessageRing>();

  constructor(options: { control: ControlBuffer; router: InterruptRouter }) {
    this.processorCount = options.control.processorCount;
    this.#control = options.control;
    this.#words = options.control.words;
    this.#router = options.router;
  }

  /** Queues a message for SINT `sint` of processor `vp`. When that is full, `doorbell` rings once there is room. */
  postMessage(vp: number, sint: number, messageType: number, payload: Uint8Array, doorbell: number): PostResult {
    if (vp < 0 || vp >= this.processorCount || !this.#listens(vp, sint, SIMP)) return PostResult.NoListener;
    const queue = this.#queue(vp, sint);
    if (!queue.put(0, vp, messageType, payload)) {
      queue.awaitRoom(doorbell);
      // An entry may have left just before it could know of our wish.
      if (!queue.put(0, vp, messageType, payload)) return PostResult.Full;
    }
    Atomics.or(this.#words, this.#control.vpControlWord(vp) + QUEUED_SINTS, 1 << sint);
    this.#router.wake(vp);
    return PostResult.Queued;
  }

  // Hot path: one a batch of packets to the guest. No allocation.
  /** Has an event flag set. Nothing happens when it is on its way already, or when the guest has no page for it. */
  signalEvent(vp: number, sint: number, flag: number): void {
    if (vp < 0 || vp >= this.processorCount || flag < 0 || flag >= EVENT_FLAG_COUNT) return;
    if (!this.#listens(vp, sint, SIEFP)) return;
    const bit = 1 << (flag & 31);
    if ((Atomics.or(this.#words, this.#control.flagsWord(vp, sint) + (flag >> 5), bit) & bit) !== 0) return;
    Atomics.or(this.#words, this.#control.vpControlWord(vp) + FLAGGED_SINTS, 1 << sint);
    this.#router.wake(vp);
  }

  #listens(vp: number, sint: number, page: number): boolean {
    if (sint < 0 || sint >= SINT_COUNT) return false;
    const at = this.#control.vpRegistersWord(vp);
    return ((this.#words[at + page] as number) & PAGE_ENABLE) !== 0 &&
      ((this.#words[at + S_CONTROL] as number) & 1) !== 0 &&
      ((this.#words[at + SINTS + sint * 2] as number) & Sint.Masked) === 0;
  }

  #queue(vp: number, sint: number): MessageRing {
    const key = vp * SINT_COUNT + sint;
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = new MessageRing(this.#control, this.#control.queueOffset(vp, sint), QUEUE_COUNT);
      this.#queues.set(key, queue);
    }
    return queue;
  }
}
