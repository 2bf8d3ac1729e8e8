/**
 * The main thread's side of a VM's disks: it starts the storage thread, offers the controller on the bus, and hands the
 * channel over when the guest opens it. A storage thread that dies is started again over the same requests: the guest
 * notices nothing but a pause.
 */

import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { EngineMemoryHandle } from '../engine/memory-handle.ts';
import type { Connections } from '../hypervisor/connections.ts';
import { type ErrorCode, OperatingError } from '../kit/errors.ts';
import type { VmBus } from '../vmbus/bus.ts';
import type { Channel, ChannelHandle } from '../vmbus/channel.ts';
import type { ChannelService } from '../vmbus/offer.ts';
import { scsiOffer } from '../vsp/storage/device.ts';
import { MAX_REQUEST_BYTES, REQUEST_TABLE_BYTES, RequestTable } from '../vsp/storage/request-table.ts';
import { STORAGE_STATE_VERSION, type StorageState } from '../vsp/storage/state.ts';
import { expectStateVersion } from '../vsp/service.ts';
import type { DiskDescription } from './description.ts';
import type { SavedMemory } from './saved-state/memory-source.ts';
import {
  CONTROLLER_INSTANCE, STORAGE_DOORBELL, type StorageCommand, type StorageReport, StorageWord, type StorageWorkerData,
} from './storage-protocol.ts';

/** The thread answers between two turns, each of at most 64 requests; a host disk may be slow. */
const ANSWER_MS = 30_000;
/** A thread that dies again and again has a reason that a restart does not take away. */
const MAX_RESTARTS = 100;

/** A command before it has its number. */
type Unnumbered<C> = C extends StorageCommand ? Omit<C, 'number'> : never;

export interface StorageHostOptions {
  readonly disks: readonly DiskDescription[];
  readonly engine: EngineMemoryHandle;
  /** Of a guest that is being restored. */
  readonly memory?: SavedMemory | undefined;
  readonly control: SharedArrayBuffer;
  readonly bus: VmBus;
  readonly connections: Connections;
  /** The connection by which the guest rings a channel. */
  readonly connectionId: (relid: number) => number;
  readonly onFailure: (error: unknown) => void;
}

export class StorageHost implements ChannelService {
  readonly description = scsiOffer(CONTROLLER_INSTANCE);
  readonly maxPacketBytes = MAX_REQUEST_BYTES;
  readonly #options: StorageHostOptions;
  readonly #requests = new SharedArrayBuffer(REQUEST_TABLE_BYTES);
  readonly #words = new Int32Array(new SharedArrayBuffer(StorageWord.Count * 4));
  #worker: Worker | undefined;
  #commands: MessagePort | undefined;
  #channel: Channel | undefined;
  #handle: ChannelHandle | undefined;
  #commandNumber = 0;
  #restarts = 0;
  #lastError: Error | undefined;
  #isStarted = false;
  #isStopping = false;

  constructor(options: StorageHostOptions) {
    this.#options = options;
  }

  /**
   * Opens the disks and offers them.
   * @throws OperatingError when a disk cannot be opened.
   */
  async start(): Promise<void> {
    await this.#startThread();
    this.#isStarted = true;
    this.#options.bus.offer(this);
  }

  /** For the bus: the thread gets the channel, and its bell the guest's rings. */
  opened(channel: Channel): void {
    const { connections, connectionId } = this.#options;
    this.#channel = channel;
    this.#handle = channel.handOver();
    connections.openEvents(connectionId(channel.relid), STORAGE_DOORBELL);
    this.#send({ kind: 'open', channel: this.#handle });
  }

  /** For the bus, on which the guest rang before the bell was handed over. */
  signalled(): void {
    this.#ring();
  }

  /** For the bus: when this returns, the thread does not touch guest memory any more. */
  closed(): void {
    this.#channel = undefined;
    this.#handle = undefined;
    this.#call({ kind: 'close' });
  }

  /** Everything is on the medium and every file closed; the thread has ended. The channel is closed. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    this.#send({ kind: 'stop' });
    await ended;
  }

  /** Ends the thread at once, whatever it does, as a crash would; a new one goes on in its place. */
  async killThread(): Promise<void> {
    await this.#worker?.terminate();
  }

  /** Only while the guest is paused; the thread takes no more requests then until it is told to go on. */
  saveState(): StorageState {
    this.#call({ kind: 'hold' });
    return { version: STORAGE_STATE_VERSION, requests: new RequestTable(this.#requests).save() };
  }

  /** After a state was saved, when the guest goes on nonetheless. */
  goOn(): void {
    this.#call({ kind: 'go-on' });
  }

  /** Before the channel is opened again. */
  restoreState(state: StorageState): void {
    expectStateVersion('storage', state.version, STORAGE_STATE_VERSION);
    new RequestTable(this.#requests).restore(state.requests);
  }

  inspect(): object {
    const table = new RequestTable(this.#requests);
    return { disks: this.#options.disks, unanswered: (table.next - table.oldest) >>> 0, restarts: this.#restarts };
  }

  async #startThread(): Promise<void> {
    const { engine, control, bus, disks, memory } = this.#options;
    const { port1, port2 } = new MessageChannel();
    const data: StorageWorkerData & { readonly commands: MessagePort } = {
      engine, control, ledger: bus.channels.ledger, requests: this.#requests,
      words: this.#words.buffer as SharedArrayBuffer, disks, memory, commands: port2,
    };
    const worker = new Worker(new URL('./storage-worker.js', import.meta.url), {
      workerData: data, transferList: [port2], name: 'storage',
    });
    this.#worker = worker;
    this.#commands = port1;
    const ready = new Promise<StorageReport>((resolve, reject) => {
      worker.on('message', (report: StorageReport) => {
        if (report.kind === 'broken') this.#onBroken(report.reason);
        else resolve(report);
      });
      worker.once('error', (error: Error) => {
        this.#lastError = error;
        reject(error);
      });
      worker.once('exit', () => {
        reject(new Error('the storage thread ended before it was ready'));
        this.#onExit();
      });
    });
    const report = await ready;
    if (report.kind === 'refused') {
      this.#worker = undefined;
      throw new OperatingError(report.code as ErrorCode, report.message);
    }
  }

  /** The thread has ended. */
  #onExit(): void {
    this.#worker = undefined;
    this.#commands?.close();
    this.#commands = undefined;
    if (this.#isStopping || !this.#isStarted) return;
    if (++this.#restarts > MAX_RESTARTS) {
      this.#options.onFailure(this.#lastError ?? new Error('the storage thread ended again and again'));
      return;
    }
    this.#startThread().then(() => {
      if (this.#handle !== undefined) this.#send({ kind: 'open', channel: { ...this.#handle, isRestored: true } });
    }).catch((error: unknown) => {
      // One that ended while it started is started again; one whose disks are gone is not.
      if (error instanceof OperatingError) this.#options.onFailure(error);
    });
  }

  #onBroken(reason: string): void {
    this.#channel?.fail(reason);
  }

  #ring(): void {
    this.#options.connections.doorbell(STORAGE_DOORBELL).ring();
  }

  /** Sends a command; its number. */
  #send(command: Unnumbered<StorageCommand>): number {
    const number = ++this.#commandNumber;
    this.#commands?.postMessage({ ...command, number });
    this.#ring();
    return number;
  }

  /** Sends a command and blocks until it was carried out. The thread that is gone has done all that it will. */
  #call(command: { readonly kind: 'close' | 'hold' | 'go-on' }): void {
    if (this.#worker === undefined) return;
    const number = this.#send(command);
    const deadline = performance.now() + ANSWER_MS;
    for (;;) {
      const acknowledged = Atomics.load(this.#words, StorageWord.Acknowledged);
      if (acknowledged >= number) return;
      const left = deadline - performance.now();
      if (left <= 0) {
        this.#options.onFailure(new Error(`the storage thread did not answer within ${ANSWER_MS} ms`));
        return;
      }
      Atomics.wait(this.#words, StorageWord.Acknowledged, acknowledged, left);
    }
  }
}
