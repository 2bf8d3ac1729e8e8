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

/** From the thread: a batch of frames, or how many of ours it took and where it is reached. */
export type UserPortReport = Uint8Array | { readonly taken: number; readonly gateway: string };

export class UserPort {
  gateway: string | undefined;
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
