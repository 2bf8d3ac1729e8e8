/**
 * The storage thread of a controller: disks are read and written with system calls that block, so that it waits in
 * `Atomics.wait` on its bell and has no event loop. The main thread gives it open channels; between a command to close
 * one and its acknowledgement the last access to guest memory for that channel is over.
 */

import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { ProcessorRequests } from '../engine/processor-requests.ts';
import { Connections } from '../hypervisor/connections.ts';
import { ControlBuffer } from '../hypervisor/control-buffer.ts';
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import { InterruptRouter } from '../hypervisor/interrupt-router.ts';
import { SynicPort } from '../hypervisor/synic-port.ts';
import { OperatingError } from '../kit/errors.ts';
import { NO_TARGET_VP, VMBUS_SINT } from '../protocols/vmbus/message-table.ts';
import { Channel, type ChannelHandle } from '../vmbus/channel.ts';
import { GuestPages } from '../vmbus/guest-pages.ts';
import { ChannelLedger } from '../vmbus/ledger.ts';
import { StorageController } from '../vsp/storage/device.ts';
import { RequestTable } from '../vsp/storage/request-table.ts';
import { UnitCondition } from '../vsp/storage/unit-state.ts';
import { attachMemory } from './saved-state/attach-memory.ts';
import { ServiceWord, type ServiceWorkerData, type StartReport } from './service-protocol.ts';
import {
  CONTROLLER_INSTANCES, STORAGE_DOORBELL, type StorageChange, type StorageCommand, type StorageFailure,
  type StorageReport, type StorageWorkerData,
} from './storage-protocol.ts';
import { StorageUnits } from './storage-units.ts';

/** Waiting is by notification; the limit only bounds one wait. */
const WAIT_MS = 60_000;

type NumberedCommand = StorageCommand & { readonly number: number };

class StorageThread {
  readonly #data: StorageWorkerData;
  readonly #port: MessagePort;
  readonly #memory: GuestMemory;
  readonly #synic: SynicPort;
  readonly #connections: Connections;
  readonly #doorbell: number;
  readonly #words: Int32Array;
  readonly #units: StorageUnits;
  readonly #controller: StorageController;
  readonly #channels = new Map<number, Channel>();
  #wantsTurn = false;
  #isHeld = false;

  constructor(data: StorageWorkerData & ServiceWorkerData) {
    this.#data = data;
    this.#port = data.commands;
    const control = new ControlBuffer(data.control);
    this.#memory = attachMemory(data.engine, data.memory).memory;
    const requests = new ProcessorRequests(data.engine);
    const router = new InterruptRouter({ control, kick: (index) => requests.kick(index) });
    this.#synic = new SynicPort({ control, router });
    this.#connections = new Connections(control);
    this.#doorbell = STORAGE_DOORBELL + data.controller;
    this.#words = new Int32Array(data.words);
    this.#units = new StorageUnits({
      controller: data.controller, unitStates: data.unitStates, descriptions: data.units,
      onEject: (lun) => report({ kind: 'ejected', lun }),
      onMerge: report,
    });
    this.#controller = new StorageController({
      instanceId: CONTROLLER_INSTANCES[data.controller] as string,
      memory: this.#memory,
      requests: data.requests,
      unitStates: data.unitStates,
      units: this.#units.units,
      onMemoryWritten: this.#memory.written,
      nowMs: () => performance.now(),
      onSubChannels: (count) => report({ kind: 'sub-channels', count }),
      onCondition: (lun, condition) => {
        report({ kind: 'condition', lun, isFull: condition === UnitCondition.HostFull });
      },
    });
  }

  run(): void {
    const bell = this.#connections.doorbell(this.#doorbell);
    const onSignal = (): void => {
      this.#wantsTurn = true;
    };
    for (;;) {
      while (!bell.answer() && !this.#wantsTurn) {
        // Between two turns of the guest's, and while it asks for nothing.
        if (!this.#isHeld && this.#units.copyMerges()) break;
        const waitMs = this.#isHeld ? WAIT_MS : Math.min(WAIT_MS, this.#controller.dueMs - performance.now());
        if (waitMs <= 0) break;
        Atomics.store(this.#words, ServiceWord.Idle, 1);
        bell.block(waitMs);
        Atomics.store(this.#words, ServiceWord.Idle, 0);
      }
      Atomics.add(this.#words, ServiceWord.Progress, 1);
      if (!this.#obey()) return;
      this.#connections.takeSignals(this.#doorbell, onSignal);
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

  /** False when the thread is to end. */
  #obey(): boolean {
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: NumberedCommand } | undefined;
      if (received === undefined) return true;
      const { message } = received;
      this.#carryOut(message);
      Atomics.store(this.#words, ServiceWord.Acknowledged, message.number);
      Atomics.notify(this.#words, ServiceWord.Acknowledged);
      if (message.kind === 'stop') return false;
    }
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
    const { relid } = handle;
    const ledger = new ChannelLedger(this.#data.ledger, relid);
    const table = this.#data.requests[index] as SharedArrayBuffer;
    const signalGuest = (): void => {
      const processor = ledger.targetVp;
      if (processor !== NO_TARGET_VP) this.#synic.signalEvent(processor, VMBUS_SINT, relid);
    };
    const channel = new Channel({
      ...handle,
      ring: new GuestPages({ buffer: this.#memory.buffer, ...handle.ring }),
      ledger,
      receivePosition: handle.isRestored ? new RequestTable(table).receivePosition : undefined,
      signalGuest,
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
    if (handle.isRestored) signalGuest();
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
