/**
 * The host on an internal switch without privilege: a NAT network whose gateway is the host, and which reaches no
 * further. It runs on a thread of its own, apart from the switch.
 */
import { Worker } from 'node:worker_threads';
import type { NetworkEndpoint } from '../../kit/network-endpoint.ts';
import { FrameBatch } from '../link/frame-batch.ts';
import { MessageReader } from '../link/message-reader.ts';

/** Batches that may wait for the thread; more are lost. */
const MAX_WAITING = 64;

/** A port of the host's loopback that reaches a guest, known by its hardware address. */
export interface UserPortForward {
  readonly protocol: 'tcp' | 'udp';
  readonly hostPort: number;
  readonly mac: string;
  readonly guestPort: number;
}

/** Why it does not, when it does not. */
export type ForwardStatus = UserPortForward & { readonly reason?: string };

/** To the thread: a batch of frames, or all the forwards that there are to be. */
export type UserPortCommand = Uint8Array | readonly UserPortForward[];
/** From the thread: a batch of frames, how many of ours it took and where it is reached, or what became of forwards. */
export type UserPortReport = Uint8Array | { readonly taken: number; readonly gateway: string }
  | { readonly forwards: readonly ForwardStatus[] };

export class UserPort {
  gateway: string | undefined;
  forwards: readonly ForwardStatus[] = [];
  readonly #worker: Worker;
  readonly #port: NetworkEndpoint;
  #waiting = 0;
  #isScheduled = false;

  constructor(options: { readonly port: NetworkEndpoint; readonly onRun: () => void }) {
    const { port, onRun } = options;
    this.#port = port;
    this.#worker = new Worker(new URL('./user-port-worker.js', import.meta.url), { name: 'host' });
    const batch = new FrameBatch((message) => {
      this.#waiting++;
      this.#worker.postMessage(message.slice());
      return true;
    });
    port.setReceiver({
      deliver: (...frame) => {
        if (this.#waiting >= MAX_WAITING) return false;
        batch.add(...frame);
        this.#schedule(() => batch.flush());
        return true;
      },
    }, () => {});
    const reader = new MessageReader({
      control: () => {}, capture: () => {}, frames: { deliver: (...frame) => port.deliver(...frame) },
    });
    this.#worker.on('message', (report: UserPortReport) => {
      if ('forwards' in report) {
        this.forwards = report.forwards;
        return;
      }
      if (!(report instanceof Uint8Array)) {
        this.#waiting -= report.taken;
        this.gateway = report.gateway;
        return;
      }
      reader.push(report);
      port.flush();
      onRun();
    });
    this.#worker.on('error', () => {});
  }

  forward(forwards: readonly UserPortForward[]): void {
    const command: UserPortCommand = forwards;
    this.#worker.postMessage(command);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
    this.#port.close();
  }

  #schedule(action: () => void): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      action();
    });
  }
}
