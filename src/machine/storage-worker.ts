/**
 * The storage thread of a controller: disks are read and written with system calls that block, so that it waits in
 * `Atomics.wait` on its bell and has no event loop. The main thread gives it open channels; between a command to close
 * one and its acknowledgement the last access to guest memory for that channel is over.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { OperatingError } from '../kit/errors.ts';
import { Channel, type ChannelHandle } from '../vmbus/channel.ts';
import { GuestPages } from '../vmbus/guest-pages.ts';
import { StorageController } from '../vsp/storage/device.ts';
import { RequestTable } from '../vsp/storage/request-table.ts';
import { UnitCondition } from '../vsp/storage/unit-state.ts';
import type { ServiceWorkerData, StartReport } from './service-protocol.ts';
import { ServiceSide } from './service-side.ts';
import {
  CONTROLLER_INSTANCES, STORAGE_DOORBELL, type StorageChange, type StorageCommand, type StorageFailure,
  type StorageReport, type StorageWorkerData,
} from './storage-protocol.ts';
import { StorageUnits } from './storage-units.ts';

/** Waiting is by notification; the limit only bounds one wait. */
const WAIT_MS = 60_000;

type NumberedCommand = StorageCommand & { readonly number: number };

class StorageThread {
  readonly #side: ServiceSide<StorageCommand>;
  readonly #requests: readonly SharedArrayBuffer[];
  readonly #doorbell: number;
  readonly #units: StorageUnits;
  readonly #controller: StorageController;
  readonly #channels = new Map<number, Channel>();
  #wantsTurn = false;
  #isHeld = false;

  constructor(data: StorageWorkerData & ServiceWorkerData) {
    this.#side = new ServiceSide(data);
    this.#requests = data.requests;
    this.#doorbell = STORAGE_DOORBELL + data.controller;
    this.#units = new StorageUnits({
      controller: data.controller, unitStates: data.unitStates, descriptions: data.units,
      onEject: (lun) => report({ kind: 'ejected', lun }),
      onMerge: report,
    });
    this.#controller = new StorageController({
      instanceId: CONTROLLER_INSTANCES[data.controller] as string,
      memory: this.#side.memory,
      requests: data.requests,
      unitStates: data.unitStates,
      units: this.#units.units,
      onMemoryWritten: this.#side.memory.written,
      nowMs: () => performance.now(),
      onSubChannels: (count) => report({ kind: 'sub-channels', count }),
      onCondition: (lun, condition) => {
        report({ kind: 'condition', lun, isFull: condition === UnitCondition.HostFull });
      },
    });
  }

  run(): void {
    const bell = this.#side.connections.doorbell(this.#doorbell);
    const onSignal = (): void => {
      this.#wantsTurn = true;
    };
    for (;;) {
      while (!bell.answer() && !this.#wantsTurn) {
        // Between two turns of the guest's, and while it asks for nothing.
        if (!this.#isHeld && this.#units.copyMerges()) break;
        const waitMs = this.#isHeld ? WAIT_MS : Math.min(WAIT_MS, this.#controller.dueMs - performance.now());
        if (waitMs <= 0) break;
        this.#side.isIdle = true;
        bell.block(waitMs);
        this.#side.isIdle = false;
      }
      this.#side.progress();
      if (!this.#side.obey((command) => this.#carryOut(command))) return;
      this.#side.connections.takeSignals(this.#doorbell, onSignal);
      this.#turn();
    }
  }

  #turn(): void {
    this.#wantsTurn = false;
    if (this.#isHeld) return;
    for (const channel of this.#channels.values()) channel.beginTurn();
    this.#controller.turn();
    for (const channel of this.#channels.values()) channel.endTurn();
  }

  #carryOut(command: NumberedCommand): void {
    switch (command.kind) {
      case 'open':
        this.#open(command.index, command.channel);
        return;
      case 'close':
        this.#close(command.index);
        return;
      case 'hold':
        this.#turn();
        this.#units.flush();
        this.#isHeld = true;
        return;
      case 'finish-merge':
        this.#units.finishMerge(command.lun);
        return;
      case 'go-on':
        this.#isHeld = false;
        this.#wantsTurn = true;
        return;
      case 'stop':
        for (const index of this.#channels.keys()) this.#close(index);
        this.#units.close();
        return;
      default:
        report({ kind: 'changed', number: command.number, failure: this.#tryChange(command) });
    }
  }

  #tryChange(change: StorageChange): StorageFailure | undefined {
    try {
      this.#change(change);
      return undefined;
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      return { code: error.code, message: error.message };
    }
  }

  #change(change: StorageChange): void {
    const { lun } = change;
    switch (change.kind) {
      case 'add':
        this.#controller.units[lun] = this.#units.add(lun, change.unit);
        break;
      case 'remove':
        // What the guest was told is done is done; what it still asks of the disk finds none.
        this.#turn();
        this.#controller.units[lun] = undefined;
        this.#units.remove(lun);
        break;
      case 'resize':
        this.#units.resize(lun, change.sizeBytes);
        break;
      case 'medium':
        this.#units.changeMedium(lun, change.path);
        break;
      case 'branch':
        this.#turn();
        this.#units.branch(lun, change.path);
        return;
      case 'merge':
        this.#units.merge(lun);
        this.#wantsTurn = true;
        return;
      default:
        change satisfies never;
    }
    this.#controller.unitsChanged();
    this.#wantsTurn = true;
  }

  #open(index: number, handle: ChannelHandle): void {
    const table = this.#requests[index] as SharedArrayBuffer;
    const parts = this.#side.partsOf(handle.relid);
    const channel = new Channel({
      ...handle,
      ...parts,
      ring: new GuestPages({ buffer: this.#side.memory.buffer, ...handle.ring }),
      receivePosition: handle.isRestored ? new RequestTable(table).receivePosition : undefined,
      comeAgain: () => {
        this.#wantsTurn = true;
      },
      fail: (reason) => {
        this.#close(index);
        report({ kind: 'broken', index, reason });
      },
      pagesOf: () => undefined,
    });
    this.#channels.set(index, channel);
    this.#controller.opened(channel, index);
    // The last thread may have ended between an answer and its interrupt.
    if (handle.isRestored) parts.signalGuest();
    // The guest may have rung before the bell was ours.
    this.#wantsTurn = true;
  }

  #close(index: number): void {
    const channel = this.#channels.get(index);
    if (channel === undefined) return;
    channel.close();
    this.#channels.delete(index);
    this.#controller.closed(index);
  }
}

function report(message: StorageReport | StartReport): void {
  parentPort?.postMessage(message);
}

function main(): void {
  const data = workerData as StorageWorkerData & ServiceWorkerData;
  let thread: StorageThread;
  try {
    thread = new StorageThread(data);
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
    report({ kind: 'refused', code: error.code, message: error.message });
    data.commands.close();
    return;
  }
  report({ kind: 'ready' });
  thread.run();
  data.commands.close();
}

main();
