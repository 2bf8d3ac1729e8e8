/**
 * One TCP connection of a guest, spliced to a stream of the host [RFC 9293, 3.5; 3.6]. Toward the guest this is a whole
 * TCP endpoint; the host's kernel is the other. The guest's SYN is answered when the host has connected, so a refusal
 * is a refusal. What is not taken on one side is not read on the other: back-pressure both ways.
 */
import { TcpFlag } from '../../protocols/tcp.ts';
import type { Timer } from '../../kit/timers.ts';
import type { HostStream, StreamEvents } from './host-network.ts';
import { MAXIMUM_TIMEOUTS, TcpSender } from './tcp-sender.ts';
import { TcpReceiver } from './tcp-receiver.ts';
import type { SegmentHeader, TcpSegment } from './tcp-segment.ts';
import type { TcpTable } from './tcp-table.ts';

export interface TcpAddress {
  readonly guest: number;
  readonly guestPort: number;
  /** As the guest sees it. */
  readonly remote: number;
  readonly remotePort: number;
}

type Phase = 'connecting' | 'syn-sent' | 'syn-received' | 'open' | 'time-wait' | 'closed';

const WINDOW_SHIFT = 7;
const HANDSHAKE_WINDOW = 0xffff;
const HANDSHAKE_RETRY_MS = 1000;
const HANDSHAKE_TRIES = 6;
const CONNECT_TIMEOUT_MS = 75_000;
const TIME_WAIT_MS = 5000;
const MAXIMUM_TIME_WAITS = 720;
const IDLE_MS = 2 * 3600_000;
const MAXIMUM_DUPLICATE_ACKS = 8;

export class TcpConnection {
  readonly address: TcpAddress;
  phase: Phase;
  readonly #table: TcpTable;
  #stream: HostStream | undefined;
  #sender: TcpSender | undefined;
  #receiver: TcpReceiver | undefined;
  #timer: Timer | undefined;
  #timerMs = 0;
  #limitMs: number;
  readonly #sequence: number;
  #guestSequence = 0;
  #guestSegment = 0;
  #guestShift = -1;
  #tries = 0;
  #acksOwed = 0;
  #isPaused = false;
  #hostEnded = false;
  #hostClosed = false;

  /** `syn` is what the guest began with; without it the host did. */
  constructor(table: TcpTable, address: TcpAddress, sequence: number, syn: TcpSegment | undefined) {
    this.#table = table;
    this.address = address;
    this.#sequence = sequence;
    this.phase = syn === undefined ? 'syn-sent' : 'connecting';
    this.#limitMs = table.nowMs + CONNECT_TIMEOUT_MS;
    if (syn !== undefined) this.#learn(syn);
  }

  #learn(syn: TcpSegment): void {
    this.#guestSequence = (syn.sequence + 1) >>> 0;
    this.#guestSegment = Math.min(syn.maximumSegment, this.#table.segmentBytes(this.address.guest));
    this.#guestShift = syn.windowShift;
  }

  /** Bytes kept for this connection in either direction. */
  get keptBytes(): number {
    return (this.#sender?.queue.length ?? 0) + (this.#stream?.queuedBytes ?? 0) + (this.#receiver?.heldBytes ?? 0);
  }

  get #freeBytes(): number {
    return Math.max(this.#table.capacity - (this.#stream?.queuedBytes ?? 0), 0);
  }

  use(stream: HostStream): void {
    this.#stream = stream;
    if (this.phase === 'syn-sent') {
      stream.pause();
      this.#isPaused = true;
      this.#sendSyn();
    } else {
      this.#arm();
    }
  }

  readonly events: StreamEvents = {
    connected: () => {
      if (this.phase !== 'connecting') return;
      this.phase = 'syn-received';
      this.#sendSyn();
    },
    data: (chunk) => {
      if (this.#sender === undefined) this.#early.push(chunk);
      else this.#sender.queue.push(chunk);
      this.#balance();
      this.output();
    },
    ended: () => {
      this.#hostEnded = true;
      this.#sender?.finish();
      this.output();
    },
    drained: () => {
      if (this.#receiver?.hasOpened(this.#freeBytes, this.#windowStep) === true) {
        this.#acksOwed = Math.max(this.#acksOwed, 1);
        this.output();
      }
    },
    closed: (failed) => this.#onHostClosed(failed),
  };

  /** What the host sent before the guest finished the handshake. */
  readonly #early: Uint8Array[] = [];

  get #windowStep(): number {
    return Math.min(2 * this.#guestSegment, this.#table.capacity / 2);
  }

  #balance(): void {
    const queued = this.#sender?.queue.length ?? this.#early.reduce((sum, chunk) => sum + chunk.length, 0);
    const capacity = this.#table.capacity;
    if (!this.#isPaused && queued >= capacity) {
      this.#isPaused = true;
      this.#stream?.pause();
    } else if (this.#isPaused && queued <= capacity / 2 && this.#sender !== undefined) {
      this.#isPaused = false;
      this.#stream?.resume();
    }
  }

  #onHostClosed(failed: boolean): void {
    if (this.phase === 'closed') return;
    this.#hostClosed = true;
    const delivered = this.#hostEnded && this.#sender !== undefined;
    if (delivered && (!failed || !this.#sender?.isFinished)) return;
    if (this.phase === 'connecting') this.#table.count('tcp-refused');
    this.abort();
  }

  /** Breaks both sides. */
  abort(): void {
    if (this.phase === 'closed') return;
    const sequence = this.#sender?.next ?? (this.phase === 'connecting' ? 0 : (this.#sequence + 1) >>> 0);
    this.#emit(TcpFlag.Rst | TcpFlag.Ack, sequence, 0);
    this.remove();
  }

  remove(): void {
    if (this.phase === 'closed') return;
    this.phase = 'closed';
    this.#timer?.cancel();
    this.#stream?.reset();
    this.#sender?.queue.clear();
    this.#table.forget(this);
  }

  receive(segment: TcpSegment): void {
    const { flags } = segment;
    if ((flags & TcpFlag.Rst) !== 0) return this.#onReset(segment);
    if (this.phase === 'connecting') return;
    if (this.phase === 'syn-sent') return this.#onSynAnswer(segment);
    if ((flags & TcpFlag.Syn) !== 0) {
      if (this.phase === 'syn-received') this.#sendSyn();
      else this.#acksOwed = Math.max(this.#acksOwed, 1);
      return;
    }
    if ((flags & TcpFlag.Ack) === 0) return this.#table.count('tcp-no-ack');
    if (this.phase === 'syn-received') {
      if (segment.acknowledgment !== ((this.#sequence + 1) >>> 0)) return this.#table.count('tcp-bad-ack');
      this.#open(segment.window << Math.max(this.#guestShift, 0), segment.sequence);
    }
    this.#onSegment(segment);
  }

  #onReset(segment: TcpSegment): void {
    const isSynRefused = this.phase === 'syn-sent' && segment.acknowledgment === ((this.#sequence + 1) >>> 0);
    const expected = this.#receiver?.next ?? this.#guestSequence;
    if (isSynRefused || (this.phase !== 'syn-sent' && segment.sequence === expected)) return this.remove();
    // A reset that does not hit the exact number may be forged: the guest is asked [RFC 5961, 3.2].
    this.#table.count('tcp-reset-ignored');
    if (this.#receiver?.isInWindow(segment.sequence) === true) this.#acksOwed = Math.max(this.#acksOwed, 1);
  }

  #onSynAnswer(segment: TcpSegment): void {
    const wanted = TcpFlag.Syn | TcpFlag.Ack;
    if ((segment.flags & wanted) !== wanted || segment.acknowledgment !== ((this.#sequence + 1) >>> 0)) {
      return this.#table.count('tcp-bad-ack');
    }
    this.#learn(segment);
    this.#open(segment.window, this.#guestSequence);
    this.#acksOwed = 1;
  }

  #open(window: number, windowSequence: number): void {
    this.phase = 'open';
    this.#limitMs = this.#table.nowMs + IDLE_MS;
    this.#sender = new TcpSender({
      sequence: (this.#sequence + 1) >>> 0, window, windowSequence, segmentBytes: this.#guestSegment,
    });
    this.#receiver = new TcpReceiver(this.#guestSequence, HANDSHAKE_WINDOW, (chunk) => this.#stream?.write(chunk));
    for (const chunk of this.#early.splice(0)) this.#sender.queue.push(chunk);
    if (this.#hostEnded) this.#sender.finish();
    this.#balance();
  }

  #onSegment(segment: TcpSegment): void {
    const sender = this.#sender!;
    const receiver = this.#receiver!;
    const fin = (segment.flags & TcpFlag.Fin) !== 0;
    const occupies = segment.payload.length > 0 || fin;
    const window = segment.window * 2 ** Math.max(this.#guestShift, 0);
    const nowMs = this.#table.nowMs;
    if (!sender.acknowledge(segment.acknowledgment, segment.sequence, window, occupies, nowMs)) {
      this.#acksOwed = Math.max(this.#acksOwed, 1);
      return this.#table.count('tcp-bad-ack');
    }
    if (this.phase === 'open') this.#limitMs = nowMs + IDLE_MS;
    this.#balance();
    if (occupies) this.#onPayload(segment, fin);
    else if (!receiver.isInWindow(segment.sequence)) this.#acksOwed = Math.max(this.#acksOwed, 1);
    if (sender.isFinished && receiver.finReceived && this.phase === 'open') {
      this.phase = 'time-wait';
      this.#limitMs = nowMs + TIME_WAIT_MS;
    }
  }

  #onPayload(segment: TcpSegment, fin: boolean): void {
    const receiver = this.#receiver!;
    if (this.#hostClosed && !receiver.finReceived && segment.payload.length > 0 && this.#sender!.isFinished) {
      return this.abort();
    }
    const hadFin = receiver.finReceived;
    const receipt = receiver.accept(segment.sequence, segment.payload, fin);
    if (receipt === 'in-order') this.#acksOwed = Math.max(this.#acksOwed, 1);
    else {
      this.#acksOwed = Math.min(this.#acksOwed + 1, MAXIMUM_DUPLICATE_ACKS);
      this.#table.count(`tcp-${receipt}`);
    }
    if (!hadFin && receiver.finReceived) this.#stream?.end();
  }

  /** Sends what there is to send: data first, which carries the acknowledgment along. */
  output(): void {
    if (this.phase === 'closed') return;
    const sender = this.#sender;
    if (sender !== undefined) {
      sender.pump(this.#table.nowMs, (sequence, offset, length, fin) => {
        const flags = TcpFlag.Ack | (fin ? TcpFlag.Fin : 0) | (length > 0 ? TcpFlag.Psh : 0);
        return this.#emit(flags, sequence, length, offset);
      });
      while (this.#acksOwed > 0) {
        if (!this.#emit(TcpFlag.Ack, sender.next, 0)) break;
      }
    }
    this.#arm();
  }

  #sendSyn(): void {
    this.#emit(TcpFlag.Syn | (this.phase === 'syn-received' ? TcpFlag.Ack : 0), this.#sequence, 0);
    this.#arm();
  }

  #emit(flags: number, sequence: number, length: number, offset = 0): boolean {
    const isSyn = (flags & TcpFlag.Syn) !== 0;
    const { guest, guestPort, remote, remotePort } = this.address;
    const shift = this.#guestShift < 0 ? 0 : WINDOW_SHIFT;
    const window = isSyn || this.#receiver === undefined ? HANDSHAKE_WINDOW
      : Math.min(this.#receiver.window(this.#freeBytes, this.#windowStep) >>> shift, 0xffff);
    const owed = this.#acksOwed;
    // Before the frame leaves: the guest may answer while it is being handed over.
    this.#acksOwed = length > 0 ? Math.max(owed - MAXIMUM_DUPLICATE_ACKS, 0) : Math.max(owed - 1, 0);
    const header: SegmentHeader = {
      source: remote, sourcePort: remotePort, destination: guest, destinationPort: guestPort, sequence,
      acknowledgment: (flags & TcpFlag.Ack) === 0 ? 0 : this.#receiver?.next ?? this.#guestSequence, flags, window,
      ...(isSyn ? {
        maximumSegment: this.#table.segmentBytes(guest),
        windowShift: this.phase === 'syn-received' && this.#guestShift < 0 ? -1 : WINDOW_SHIFT,
      } : {}),
    };
    const sent = this.#table.emit(this, header, this.#sender?.queue, offset, length);
    if (!sent) this.#acksOwed = owed;
    return sent;
  }

  #arm(): void {
    if (this.phase === 'closed') return;
    const retryMs = this.phase === 'syn-sent' || this.phase === 'syn-received'
      ? this.#table.nowMs + HANDSHAKE_RETRY_MS * 2 ** this.#tries : this.#sender?.deadlineMs ?? 0;
    const dueMs = retryMs === 0 ? this.#limitMs : Math.min(retryMs, this.#limitMs);
    if (this.#timer !== undefined && this.#timerMs <= dueMs) return;
    this.#timer?.cancel();
    this.#timerMs = dueMs;
    const delayMs = Math.max(Math.ceil(dueMs - this.#table.nowMs), 1);
    this.#timer = this.#table.timers.after(delayMs, () => this.#onTimer());
  }

  /** What the guest sent may still be on its way into a slow host. */
  #onTimeWaitOver(nowMs: number): void {
    if (this.#hostClosed || ++this.#tries > MAXIMUM_TIME_WAITS) return this.remove();
    this.#limitMs = nowMs + TIME_WAIT_MS;
    this.#arm();
  }

  #onTimer(): void {
    this.#timer = undefined;
    const nowMs = this.#table.nowMs;
    const sender = this.#sender;
    if (nowMs >= this.#limitMs) {
      if (this.phase === 'time-wait') return this.#onTimeWaitOver(nowMs);
      this.#table.count('tcp-timed-out');
      return this.abort();
    }
    if (this.phase === 'syn-sent' || this.phase === 'syn-received') {
      if (++this.#tries >= HANDSHAKE_TRIES) return this.abort();
      return this.#sendSyn();
    }
    if (sender !== undefined && sender.deadlineMs > 0 && nowMs >= sender.deadlineMs) {
      sender.expire(nowMs);
      if (sender.timeouts > MAXIMUM_TIMEOUTS) {
        this.#table.count('tcp-timed-out');
        return this.abort();
      }
      this.#table.count('tcp-retransmissions');
    }
    this.output();
  }
}
