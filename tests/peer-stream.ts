/**
 * One TCP connection as the station of a test's network has it [RFC 9293], over a link that loses nothing and keeps the
 * order: no retransmission, no congestion. Takes a stream and adds it up, or gives one of a given length.
 */

import { createHash, type Hash } from 'node:crypto';

const FIN = 1;
const SYN = 2;
const PSH = 8;
const ACK = 16;
/** What fits a frame without options. */
export const SEGMENT_BYTES = 1460;
const WINDOW = 0xffff;
/** Where our numbers begin. */
const FIRST = 1000;

export interface Segment {
  readonly sequence: number;
  readonly acknowledged: number;
  readonly flags: number;
  readonly window: number;
  readonly data: Uint8Array;
}

export type SendSegment = (sequence: number, acknowledged: number, flags: number, data: Uint8Array) => void;

export class PeerStream {
  received = 0;
  /** Segments that did not follow the one before. */
  misplaced = 0;
  isDone = false;
  readonly #hash: Hash = createHash('md5');
  readonly #given: Uint8Array;
  readonly #send: SendSegment;
  readonly #pieceBytes: number;
  #expected = 0;
  #next = 0;
  #acknowledged = 0;
  #window = 0;
  #hasFin = false;

  /** @param pieceBytes the most that is given at once */
  constructor(given: Uint8Array, send: SendSegment, pieceBytes = SEGMENT_BYTES) {
    this.#given = given;
    this.#pieceBytes = pieceBytes;
    this.#send = send;
  }

  /** The sum over what was received. Once. */
  md5(): string {
    return this.#hash.digest('hex');
  }

  take({ sequence, acknowledged, flags, window, data }: Segment): void {
    this.#window = window;
    if ((flags & SYN) !== 0) {
      this.#expected = (sequence + 1) >>> 0;
      this.#send(FIRST, this.#expected, SYN | ACK, new Uint8Array(0));
      return;
    }
    this.#acknowledged = (acknowledged - FIRST - 1) >>> 0;
    const isEmpty = data.length === 0 && (flags & FIN) === 0;
    if (!isEmpty && sequence !== this.#expected) {
      this.misplaced++;
      return;
    }
    this.#hash.update(data);
    this.received += data.length;
    this.#expected = (this.#expected + data.length) >>> 0;
    if ((flags & FIN) !== 0) {
      this.#expected = (this.#expected + 1) >>> 0;
      this.#hasFin = true;
    }
    this.#give();
    if (!isEmpty) this.#acknowledge();
  }

  /** As much as the guest has room for, and an end behind the last byte once the guest has ended or been given all. */
  #give(): void {
    const length = this.#given.length;
    while (this.#next < length && this.#next - this.#acknowledged + this.#pieceBytes <= this.#window) {
      const data = this.#given.subarray(this.#next, this.#next + this.#pieceBytes);
      this.#send(FIRST + 1 + this.#next, this.#expected, ACK | PSH, data);
      this.#next += data.length;
    }
    if (this.#next !== length || this.isDone || (length === 0 && !this.#hasFin)) return;
    this.isDone = true;
    this.#send(FIRST + 1 + length, this.#expected, ACK | FIN, new Uint8Array(0));
    this.#next++;
  }

  #acknowledge(): void {
    this.#send(FIRST + 1 + this.#next, this.#expected, ACK, new Uint8Array(0));
  }
}

export const STREAM_WINDOW = WINDOW;
