/**
 * The main thread's side of one SCSI controller: it starts the storage thread, offers the controller on the bus, and
 * hands channels over when the guest opens them. A storage thread that dies, or that no longer does anything, is
 * replaced by another over the same requests: the guest notices nothing but a pause.
 */

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
import type { SavedMemory } from './saved-state/memory-source.ts';
import { ServiceThread } from './service-thread.ts';
import {
  CONTROLLER_INSTANCES, STORAGE_DOORBELL, type StorageChange, type StorageCommand, type StorageReport,
  type StorageWorkerData,
} from './storage-protocol.ts';

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
  readonly #thread: ServiceThread<StorageCommand, StorageReport>;
  readonly #channels = new Map<number, { readonly channel: Channel; readonly handle: ChannelHandle }>();
  readonly #merges: DiskMerges;
  readonly #changes = new Map<number, { resolve(): void; reject(error: Error): void }>();
  #subChannels = 0;

  constructor(options: StorageHostOptions) {
    this.#options = options;
    this.units = [...options.units];
    this.#requests = Array.from(
      { length: options.channelCount }, () => new SharedArrayBuffer(REQUEST_TABLE_BYTES));
    this.#merges = new DiskMerges({
      units: this.units, notice: options.notice, finish: (lun) => { this.#thread.send({ kind: 'finish-merge', lun }); },
    });
    this.#thread = new ServiceThread({
      name: `storage${options.controller}`, program: 'storage-worker.js', dataOf: () => this.#workerData,
      bell: options.connections.doorbell(this.#doorbell), onFailure: options.onFailure,
      onReport: (report) => this.#onReport(report),
      onEnded: () => this.#failChanges(),
      onReplaced: () => this.#handOverAgain(),
    });
  }

  /**
   * Opens the disks and offers them.
   * @throws OperatingError when a disk cannot be opened.
   */
  async start(): Promise<void> {
    await this.#thread.start();
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
    this.#merges.stop();
    await this.#thread.stop({ kind: 'stop' });
  }

  /** Ends the thread at once, whatever it does, as a crash would; a new one goes on in its place. */
  async killThread(): Promise<void> {
    await this.#thread.kill();
  }

  /** Changes what is there while the guest runs. @throws OperatingError when that cannot be. */
  async change(change: StorageChange): Promise<void> {
    if (!this.#thread.isRunning) {
      throw new OperatingError('host', 'the storage service is being started again: try once more');
    }
    const number = this.#thread.send(change);
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
    this.#thread.call({ kind: 'hold' });
  }

  /** Only while the guest is paused; the thread is on hold then. */
  saveState(): StorageState {
    this.hold();
    return saveStorage(this.#memory, this.#subChannels);
  }

  /** After `hold`. */
  goOn(): void {
    this.#thread.call({ kind: 'go-on' });
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
      restarts: this.#thread.restarts,
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
      signalled: () => this.#options.connections.doorbell(this.#doorbell).ring(),
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
    this.#thread.send({ kind: 'open', index, channel: handle });
  }

  /** When this returns, the thread does not touch guest memory any more. */
  #closed(index: number): void {
    this.#channels.delete(index);
    if (index === 0) this.#subChannels = 0;
    this.#thread.call({ kind: 'close', index });
  }

  #offerSubChannels(count: number): void {
    this.#subChannels = Math.min(count, this.#requests.length - 1);
    for (let index = 1; index <= this.#subChannels; index++) this.#options.bus.offer(this.#service(index), index);
  }

  get #workerData(): StorageWorkerData {
    const { controller, engine, memory, control, bus } = this.#options;
    return {
      controller, engine, control, ledger: bus.channels.ledger, requests: this.#requests,
      unitStates: this.#unitStates, units: this.units, memory,
    };
  }

  #onReport(report: StorageReport): void {
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
  #failChanges(): void {
    for (const { reject } of this.#changes.values()) {
      reject(new OperatingError('host', 'the storage service ended in the middle: look what is there, then try again'));
    }
    this.#changes.clear();
  }

  /** Another thread is there. */
  #handOverAgain(): void {
    for (const [index, { handle }] of this.#channels) {
      this.#thread.send({ kind: 'open', index, channel: { ...handle, isRestored: true } });
    }
    this.#options.onCondition();
  }

  get #doorbell(): number {
    return STORAGE_DOORBELL + this.#options.controller;
  }
}
