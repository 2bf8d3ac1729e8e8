/**
 * The sending half of a TCP endpoint: windows, retransmission, congestion
 * [RFC 9293, 3.8; RFC 6298; RFC 5681; RFC 6582].
 * It knows no clock and no wire: the caller passes the time in and emits the segments that it asks for.
 */
import { SendQueue } from './send-queue.ts';

const INITIAL_RTO_MS = 1000;
const MINIMUM_RTO_MS = 200;
const MAXIMUM_RTO_MS = 60_000;
const INITIAL_WINDOW_SEGMENTS = 45;
const MAXIMUM_CONGESTION_BYTES = 0x4000_0000;
/** Timeouts in a row without a word from the guest until the connection is given up. */
export const MAXIMUM_TIMEOUTS = 9;

/** Sends `length` bytes that begin `offset` after the first unacknowledged one. False: not taken, try later. */
export type EmitSegment = (sequence: number, offset: number, length: number, fin: boolean) => boolean;

export class TcpSender {
  readonly queue = new SendQueue();
  /** When the retransmission or probe timer runs out; 0 when it is not running. */
  deadlineMs = 0;
  timeouts = 0;
  /** The first sequence number not acknowledged, the next to send, and the end of what was ever sent. */
  #una: number;
  #next: number;
  #max: number;
  #window: number;
  #windowSequence: number;
  #finQueued = false;
  #finAcknowledged = false;
  readonly #segmentBytes: number;
  #congestion: number;
  #threshold = MAXIMUM_CONGESTION_BYTES;
  #duplicates = 0;
  #recover: number | undefined;
  #resendHead = false;
  #probe = false;
  #smoothedMs = 0;
  #varianceMs = 0;
  #rtoMs = INITIAL_RTO_MS;
  #timed: { readonly sequence: number; readonly atMs: number } | undefined;

  constructor(options: { sequence: number; window: number; windowSequence: number; segmentBytes: number }) {
    this.#una = this.#next = this.#max = options.sequence;
    this.#window = options.window;
    this.#windowSequence = options.windowSequence;
    this.#segmentBytes = options.segmentBytes;
    this.#congestion = INITIAL_WINDOW_SEGMENTS * options.segmentBytes;
  }

  get next(): number {
    return this.#max;
  }

  get isFinished(): boolean {
    return this.#finAcknowledged;
  }

  finish(): void {
    this.#finQueued = true;
  }

  /** False when it acknowledges what was never sent. */
  acknowledge(ack: number, sequence: number, window: number, hasPayload: boolean, nowMs: number): boolean {
    const advance = (ack - this.#una) | 0;
    if (advance > ((this.#max - this.#una) | 0)) return false;
    if (advance < 0) return true;
    this.timeouts = 0;
    const sameWindow = window === this.#window;
    if (((sequence - this.#windowSequence) | 0) >= 0) {
      this.#window = window;
      this.#windowSequence = sequence;
    }
    if (advance > 0) this.#advance(ack, advance, nowMs);
    else if (!hasPayload && sameWindow && this.#max !== this.#una) this.#duplicate();
    if (this.#una === this.#max) this.deadlineMs = 0;
    return true;
  }

  #advance(ack: number, advance: number, nowMs: number): void {
    const dataBytes = Math.min(advance, this.queue.length);
    this.queue.discard(dataBytes);
    if (advance > dataBytes) this.#finAcknowledged = true;
    this.#una = ack;
    if (((this.#next - ack) | 0) < 0) this.#next = ack;
    if (this.#timed !== undefined && ((ack - this.#timed.sequence) | 0) > 0) this.#measure(nowMs - this.#timed.atMs);
    this.#duplicates = 0;
    this.#probe = false;
    this.deadlineMs = nowMs + this.#rtoMs;
    if (this.#recover !== undefined && ((ack - this.#recover) | 0) < 0) {
      this.#resendHead = true;
      return;
    }
    if (this.#recover !== undefined) this.#congestion = this.#threshold;
    this.#recover = undefined;
    const growth = this.#congestion < this.#threshold ? advance
      : Math.ceil(this.#segmentBytes * this.#segmentBytes / this.#congestion);
    this.#congestion = Math.min(this.#congestion + growth, MAXIMUM_CONGESTION_BYTES);
  }

  #duplicate(): void {
    this.#duplicates++;
    if (this.#duplicates !== 3 || this.#recover !== undefined) return;
    this.#shrink();
    this.#congestion = this.#threshold;
    this.#recover = this.#max;
    this.#resendHead = true;
  }

  #shrink(): void {
    this.#threshold = Math.max(((this.#max - this.#una) | 0) / 2, 2 * this.#segmentBytes);
    this.#timed = undefined;
  }

  #measure(sampleMs: number): void {
    this.#timed = undefined;
    if (this.#smoothedMs === 0) {
      this.#smoothedMs = sampleMs;
      this.#varianceMs = sampleMs / 2;
    } else {
      this.#varianceMs += (Math.abs(this.#smoothedMs - sampleMs) - this.#varianceMs) / 4;
      this.#smoothedMs += (sampleMs - this.#smoothedMs) / 8;
    }
    this.#rtoMs = Math.min(Math.max(this.#smoothedMs + 4 * this.#varianceMs, MINIMUM_RTO_MS), MAXIMUM_RTO_MS);
  }

  /** What the timer asks for: everything not acknowledged is sent again, and a closed window is probed with a byte. */
  expire(nowMs: number): void {
    this.deadlineMs = 0;
    this.timeouts++;
    this.#rtoMs = Math.min(this.#rtoMs * 2, MAXIMUM_RTO_MS);
    if (this.#max !== this.#una && this.#window > 0) {
      this.#shrink();
      this.#congestion = this.#segmentBytes;
    }
    this.#recover = undefined;
    this.#resendHead = false;
    this.#duplicates = 0;
    this.#next = this.#una;
    this.#probe = true;
    this.#arm(nowMs);
  }

  #arm(nowMs: number): void {
    if (this.deadlineMs === 0) this.deadlineMs = nowMs + this.#rtoMs;
  }

  /** Sends what the windows allow. */
  pump(nowMs: number, emit: EmitSegment): void {
    if (this.#resendHead && this.#max !== this.#una) {
      const length = Math.min(this.#segmentBytes, this.queue.length);
      if (!emit(this.#una, 0, length, this.#finQueued && length === this.queue.length)) return;
      this.#resendHead = false;
    }
    while (this.#sendNext(nowMs, emit));
    if (this.#max !== this.#una || this.#hasMore()) this.#arm(nowMs);
  }

  #hasMore(): boolean {
    return this.queue.length > 0 || (this.#finQueued && !this.#finAcknowledged);
  }

  #sendNext(nowMs: number, emit: EmitSegment): boolean {
    const inFlight = (this.#next - this.#una) | 0;
    const available = this.queue.length - inFlight;
    const limit = Math.max(Math.min(this.#window, this.#congestion), this.#probe ? 1 : 0);
    const length = Math.max(Math.min(this.#segmentBytes, available, limit - inFlight), 0);
    const fin = this.#finQueued && !this.#finAcknowledged && available === length && available >= 0;
    if (length === 0 && !fin) return false;
    // A small piece that only the window asks for waits until what is under way is acknowledged.
    if (length < this.#segmentBytes && length < available && inFlight > 0) return false;
    const before = this.#next;
    const beforeMax = this.#max;
    this.#next = (before + length + (fin ? 1 : 0)) >>> 0;
    if (((this.#next - beforeMax) | 0) > 0) this.#max = this.#next;
    if (!emit(before, inFlight, length, fin)) {
      this.#next = before;
      this.#max = beforeMax;
      return false;
    }
    if (before === beforeMax && this.#timed === undefined && this.timeouts === 0) {
      this.#timed = { sequence: before, atMs: nowMs };
    }
    return true;
  }
}
