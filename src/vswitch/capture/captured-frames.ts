/** Blocks of a capture file, as the switch process sends them one by one, as frames for a program. */
import {
  PcapBlockType, PcapDirection, PcapEnhancedPacket, PcapInterfaceDescription, PcapOption,
} from '../../protocols/pcapng.ts';
import type { CapturePoint } from '../switch/extension.ts';

/** Frames that nobody has asked for yet; more are lost. */
const MAX_KEPT = 4096;
const DROPPED = 'dropped: ';

export interface CapturedFrame {
  readonly point: CapturePoint;
  readonly nic: string;
  /** Since 1970, in milliseconds with fractions. */
  readonly timeMs: number;
  readonly bytes: Uint8Array;
  /** Of a drop. */
  readonly reason?: string;
}

export class CapturedFrames implements AsyncIterable<CapturedFrame> {
  readonly #names: string[] = [];
  readonly #kept: CapturedFrame[] = [];
  #hasEnded = false;
  #wake: () => void = () => {};

  /** Takes a block, which is valid only during the call. */
  push(bytes: Uint8Array): void {
    const block = bytes.slice();
    const view = new DataView(block.buffer);
    const type = PcapEnhancedPacket.type.get(view, 0);
    if (type === PcapBlockType.InterfaceDescription) {
      const name = optionsOf(view, PcapInterfaceDescription.$size).get(PcapOption.InterfaceName);
      this.#names.push(Buffer.from(name ?? []).toString());
    } else if (type === PcapBlockType.EnhancedPacket && this.#kept.length < MAX_KEPT) {
      this.#kept.push(this.#frameOf(block, view));
      this.#wake();
    }
  }

  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<CapturedFrame, void, undefined> {
    for (;;) {
      const frame = this.#kept.shift();
      if (frame !== undefined) yield frame;
      else if (this.#hasEnded) return;
      else await new Promise<void>((resolve) => { this.#wake = resolve; });
    }
  }

  #frameOf(block: Uint8Array, view: DataView): CapturedFrame {
    const packet = PcapEnhancedPacket.decode(view, 0);
    const start = PcapEnhancedPacket.$size;
    const options = optionsOf(view, start + ((packet.capturedBytes + 3) & ~3));
    const comment = Buffer.from(options.get(PcapOption.Comment) ?? []).toString();
    const isDrop = comment.startsWith(DROPPED);
    const direction = (options.get(PcapOption.PacketFlags)?.[0] ?? 0) & 3;
    return {
      point: isDrop ? 'drop' : direction === PcapDirection.Outbound ? 'egress' : 'ingress',
      nic: this.#names[packet.interfaceId] ?? '',
      timeMs: (packet.timestampHigh * 2 ** 32 + packet.timestampLow) / 1000,
      bytes: block.subarray(start, start + packet.capturedBytes),
      ...(isDrop ? { reason: comment.slice(DROPPED.length) } : {}),
    };
  }
}

/** Options from an offset on, by code; each is padded to four bytes. */
function optionsOf(view: DataView, from: number): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  for (let at = from; at + 8 <= view.byteLength;) {
    const code = view.getUint16(at, true);
    const length = view.getUint16(at + 2, true);
    if (code === PcapOption.End || at + 4 + length > view.byteLength) break;
    options.set(code, new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset + at + 4, length));
    at += 4 + ((length + 3) & ~3);
  }
  return options;
}
