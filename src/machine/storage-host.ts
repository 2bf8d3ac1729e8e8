/**
 * The main thread's side of one SCSI controller: it starts the storage thread, offers the controller on the bus, and
 * hands channels over when the guest opens them. A storage thread that dies, or that no longer does anything, is
 * replaced by another over the same requests: the guest notices nothing but a pause.
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
import { restoreStorage, saveStorage, type StorageMemory, type StorageState } from '../vsp/storage/state.ts';
import { UNIT_STATES_BYTES, UnitCondition, UnitState } from '../vsp/storage/unit-state.ts';
import type { StorageDescription } from './description.ts';
import { DiskMerges } from './disk-merges.ts';
import { ProgressWatch } from './progress-watch.ts';
import { RestartLimit } from './restart-limit.ts';
import type { SavedMemory } from './saved-state/memory-source.ts';
import {
  CONTROLLER_INSTANCES, STORAGE_DOORBELL, type StorageChange, type StorageCommand, type StorageReport, StorageWord,
  type StorageWorkerData, waitForWord,
} from './storage-protocol.ts';

/** The thread answers between two turns, each of at most a table of requests; a host disk may be slow. */
const ANSWER_MS = 30_000;
/** A thread that does nothing for so long though there is something to do is not going to. */
const STUCK_MS = 60_000;

/** A command before it has its number. */
type Unnumbered<C> = C extends StorageCommand ? Omit<C, 'number'> : never;

export interface StorageHostOptions {
  readonly controller: number;
  /** By logical unit number. */
  readonly units: readonly (StorageDescription | undefined)[];
  readonly engine: EngineMemoryHandle;
  /** Of a guest that is being restored. */
  readonly memory: SavedMemory | undefined;
  readonly control: SharedArrayBuffer;
  readonly bus: VmBus;
  readonly connections: Connections;
  /** How many channels the guest may have. */
  readonly channelCount: number;
  /** The connection by which the guest rings a channel. */
  readonly connectionId: (relid: number) => number;
  /** The host has no room for a disk any more, or has room again. */
  readonly onCondition: () => void;
  /** Takes a line for the person. */
  readonly notice: (line: string) => void;
  readonly onFailure: (error: unknown) => void;
}

export class StorageHost {
  /** What is at each logical unit number; changes as the guest and the host's user change it. */
  readonly units: (StorageDescription | undefined)[];
  readonly #options: StorageHostOptions;
  readonly #requests: readonly SharedArrayBuffer[];
  readonly #unitStates = new SharedArrayBuffer(UNIT_STATES_BYTES);
  readonly #words = new Int32Array(new SharedArrayBuffer(StorageWord.Count * 4));
  readonly #watch: ProgressWatch;
  readonly #channels = new Map<number, { readonly channel: Channel; readonly handle: ChannelHandle }>();
  readonly #merges: DiskMerges;
  readonly #changes = new Map<number, { resolve(): void; reject(error: Error): void }>();
  #worker: Worker | undefined;
  #commands: MessagePort | undefined;
  #subChannels = 0;
  #commandNumber = 0;
  readonly #restarts = new RestartLimit();
  #lastError: Error | undefined;
  #isStarted = false;
  #isStopping = false;

  constructor(options: StorageHostOptions) {
    this.#options = options;
    this.units = [...options.units];
    this.#requests = Array.from(
      { length: options.channelCount }, () => new SharedArrayBuffer(REQUEST_TABLE_BYTES));
    this.#merges = new DiskMerges({
      units: this.units, notice: options.notice, finish: (lun) => { this.#send({ kind: 'finish-merge', lun }); },
    });
    this.#watch = new ProgressWatch({
      progress: () => Atomics.load(this.#words, StorageWord.Progress),
      isIdle: () => this.#worker === undefined || Atomics.load(this.#words, StorageWord.Idle) === 1,
      stuckMs: STUCK_MS,
      onStuck: () => void this.killThread(),
    });
  }

  /**
   * Opens the disks and offers them.
   * @throws OperatingError when a disk cannot be opened.
   */
  async start(): Promise<void> {
    await this.#startThread();
    this.#isStarted = true;
    this.#watch.start();
    this.#options.bus.offer(this.#service(0));
  }

  /** Disks that wait for room on the host, by path. */
  get fullDisks(): string[] {
    return this.units.flatMap((unit, lun) => {
      const isFull = new UnitState(this.#unitStates, lun).condition === UnitCondition.HostFull;
      return isFull && unit?.path !== undefined ? [unit.path] : [];
    });
  }

  /** Everything is on the medium and every file closed; the thread has ended. The channels are closed. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#watch.stop();
    this.#merges.stop();
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

  /** Changes what is there while the guest runs. @throws OperatingError when that cannot be. */
  async change(change: StorageChange): Promise<void> {
    if (this.#commands === undefined) {
      throw new OperatingError('host', 'the storage service is being started again: try once more');
    }
    const number = this.#send(change);
    await new Promise<void>((resolve, reject) => {
      this.#changes.set(number, { resolve, reject });
    });
    const { kind, lun } = change;
    if (kind === 'add') this.units[lun] = change.unit;
    if (kind === 'remove') this.#merges.removed(lun);
    if (kind === 'medium') this.units[lun] = { kind: 'dvd', path: change.path };
    if (kind === 'branch') this.#merges.becomeChild(lun, change.path);
  }

  /** Merges a disk into its parent; resolves with the path of that when it is the disk. */
  merge(lun: number): Promise<string> {
    return this.#merges.run(lun, () => this.change({ kind: 'merge', lun }));
  }

  /** What was begun is finished and on the medium, and the thread takes no more requests until it is told to go on. */
  hold(): void {
    this.#call({ kind: 'hold' });
  }

  /** Only while the guest is paused; the thread is on hold then. */
  saveState(): StorageState {
    this.hold();
    return saveStorage(this.#memory, this.#subChannels);
  }

  /** After `hold`. */
  goOn(): void {
    this.#call({ kind: 'go-on' });
  }

  /** Before the channels are opened again. */
  restoreState(state: StorageState): void {
    restoreStorage(state, this.#memory);
    this.#offerSubChannels(state.subChannels);
  }

  inspect(): object {
    const { tables } = this.#memory;
    return {
      controller: this.#options.controller,
      channels: this.#channels.size,
      unanswered: tables.reduce((sum, table) => sum + table.count, 0),
      restarts: this.#restarts.count,
      units: this.units.map((unit, lun) => unit && { lun, ...unit, ...this.#stateOf(lun) })
        .filter((unit) => unit !== undefined),
    };
  }

  /** Counters of each disk. */
  statistics(): object[] {
    const { controller } = this.#options;
    return this.units.flatMap((unit, lun) => unit === undefined ? [] : [
      { controller, lun, path: unit.path, ...new UnitState(this.#unitStates, lun).counters },
    ]);
  }

  /** As the thread left it: the tables find out from the buffers what is in them. */
  get #memory(): StorageMemory {
    return { tables: this.#requests.map((buffer) => new RequestTable(buffer)), unitStates: this.#unitStates };
  }

  #stateOf(lun: number): object {
    const { condition, counters } = new UnitState(this.#unitStates, lun);
    const merged = this.#merges.fraction(lun);
    const isFull = condition === UnitCondition.HostFull;
    return { condition: isFull ? 'host full' : 'fine', ...(merged !== undefined && { merged }), ...counters };
  }

  /** The service of one channel, for the bus. */
  #service(index: number): ChannelService {
    return {
      description: scsiOffer(CONTROLLER_INSTANCES[this.#options.controller] as string),
      maxPacketBytes: MAX_REQUEST_BYTES,
      opened: (channel) => this.#opened(index, channel),
      // The guest rang before the bell was handed over.
      signalled: () => this.#ring(),
      closed: () => this.#closed(index),
      // The driver may ask for its channels again before it has let go of those that it had.
      released: () => {
        if (index > 0 && index <= this.#subChannels) this.#options.bus.offer(this.#service(index), index);
      },
    };
  }

  /** The thread gets the channel, and its bell the guest's rings. */
  #opened(index: number, channel: Channel): void {
    const { connections, connectionId } = this.#options;
    const handle = channel.handOver();
    this.#channels.set(index, { channel, handle });
    connections.openEvents(connectionId(channel.relid), this.#doorbell);
    this.#send({ kind: 'open', index, channel: handle });
  }

  /** When this returns, the thread does not touch guest memory any more. */
  #closed(index: number): void {
    this.#channels.delete(index);
    if (index === 0) this.#subChannels = 0;
    this.#call({ kind: 'close', index });
  }

  #offerSubChannels(count: number): void {
    this.#subChannels = Math.min(count, this.#requests.length - 1);
    for (let index = 1; index <= this.#subChannels; index++) this.#options.bus.offer(this.#service(index), index);
  }

  async #startThread(): Promise<void> {
    const { controller, engine, memory, control, bus } = this.#options;
    const { port1, port2 } = new MessageChannel();
    const data: StorageWorkerData & { readonly commands: MessagePort } = {
      controller, engine, control, ledger: bus.channels.ledger, requests: this.#requests,
      unitStates: this.#unitStates, words: this.#words.buffer as SharedArrayBuffer, units: this.units,
      memory, commands: port2,
    };
    const worker = new Worker(new URL('../../whole/storage-worker.js', import.meta.url), {
      workerData: data, transferList: [port2], name: `storage${controller}`,
    });
    this.#worker = worker;
    this.#commands = port1;
    const ready = new Promise<StorageReport>((resolve, reject) => {
      worker.on('message', (report: StorageReport) => {
        if (report.kind === 'ready' || report.kind === 'refused') resolve(report);
        else this.#onReport(report);
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

  #onReport(report: Exclude<StorageReport, { kind: 'ready' | 'refused' }>): void {
    switch (report.kind) {
      case 'broken':
        this.#channels.get(report.index)?.channel.fail(report.reason);
        return;
      case 'sub-channels':
        this.#offerSubChannels(report.count);
        return;
      case 'condition':
        this.#options.onCondition();
        return;
      case 'ejected':
        this.units[report.lun] = { kind: 'dvd', path: undefined };
        return;
      case 'changed': {
        const change = this.#changes.get(report.number);
        this.#changes.delete(report.number);
        const { failure } = report;
        if (failure === undefined) change?.resolve();
        else change?.reject(new OperatingError(failure.code as ErrorCode, failure.message));
        return;
      }
      default:
        this.#merges.take(report);
    }
  }

  /** The thread has ended. */
  #onExit(): void {
    this.#worker = undefined;
    this.#commands?.close();
    this.#commands = undefined;
    for (const { reject } of this.#changes.values()) {
      reject(new OperatingError('host', 'the storage service ended in the middle: look what is there, then try again'));
    }
    this.#changes.clear();
    if (this.#isStopping || !this.#isStarted) return;
    if (!this.#restarts.allow(performance.now())) {
      this.#options.onFailure(this.#lastError ?? new Error('the storage thread ended again and again'));
      return;
    }
    this.#startThread().then(() => {
      for (const [index, { handle }] of this.#channels) {
        this.#send({ kind: 'open', index, channel: { ...handle, isRestored: true } });
      }
      this.#options.onCondition();
    }).catch((error: unknown) => {
      // One that ended while it started is started again; one whose disks are gone is not.
      if (error instanceof OperatingError) this.#options.onFailure(error);
    });
  }

  get #doorbell(): number {
    return STORAGE_DOORBELL + this.#options.controller;
  }

  #ring(): void {
    this.#options.connections.doorbell(this.#doorbell).ring();
  }

  /** Sends a command; its number. */
  #send(command: Unnumbered<StorageCommand>): number {
    const number = ++this.#commandNumber;
    this.#commands?.postMessage({ ...command, number });
    this.#ring();
    return number;
  }

  /** Sends a command and blocks until it was carried out. The thread that is gone has done all that it will. */
  #call(command: { readonly kind: 'close'; readonly index: number } | { readonly kind: 'hold' | 'go-on' }): void {
    if (this.#worker === undefined) return;
    const number = this.#send(command);
    if (waitForWord(this.#words, StorageWord.Acknowledged, number, ANSWER_MS)) return;
    this.#options.onFailure(new Error(`the storage thread did not answer within ${ANSWER_MS} ms`));
  }
}
