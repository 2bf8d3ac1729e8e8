/** The other end of an adapter's link: keeps frames, refuses them when it is told to, and gives some. */
import type { FrameSink, NetworkEndpoint } from '../../kit/network-endpoint.ts';

export interface KeptFrame {
  readonly bytes: Uint8Array;
  readonly offload: number;
  readonly segmentBytes: number;
}

export class NetworkEnd implements NetworkEndpoint {
  isConnected = true;
  onConnectionChange: (() => void) | undefined;
  readonly frames: KeptFrame[] = [];
  /** How many frames it takes before it refuses. */
  room = Number.MAX_SAFE_INTEGER;
  flushes = 0;
  receiver: FrameSink | undefined;
  writable: () => void = () => {};

  setReceiver(receiver: FrameSink, onWritable: () => void): void {
    this.receiver = receiver;
    this.writable = onWritable;
  }

  deliver(buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    if (this.frames.length >= this.room) return false;
    this.frames.push({ bytes: buffer.slice(offset, offset + length), offload, segmentBytes });
    return true;
  }

  flush(): void {
    this.flushes++;
  }

  close(): void {
    this.receiver = undefined;
  }

  /** Gives the adapter a frame. */
  give(frame: Uint8Array, offload = 0, segmentBytes = 0): boolean {
    return this.receiver?.deliver(frame, 0, frame.length, offload, segmentBytes) ?? false;
  }
}
