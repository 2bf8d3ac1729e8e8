/**
 * The storage thread of a VM: disks are read and written with system calls that block, so that it waits in
 * `Atomics.wait` on its bell and has no event loop. The main thread gives it an open channel; between a command to
 * close and its acknowledgement the last access to guest memory is over.
 */

import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { ProcessorRequests } from '../engine/processor-requests.ts';
import { Connections } from '../hypervisor/connections.ts';
import { ControlBuffer } from '../hypervisor/control-buffer.ts';
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import { InterruptRouter } from '../hypervisor/interrupt-router.ts';
import { SynicPort } from '../hypervisor/synic-port.ts';
import { OperatingError } from '../kit/errors.ts';
import { NO_TARGET_VP, VMBUS_SINT } from '../protocols/vmbus/message-table.ts';
import type { Disk } from '../storage/disk.ts';
import { openDisk } from '../storage/open-disk.ts';
import { Channel, type ChannelHandle } from '../vmbus/channel.ts';
import { GuestPages } from '../vmbus/guest-pages.ts';
import { ChannelLedger } from '../vmbus/ledger.ts';
import { StorageController } from '../vsp/storage/device.ts';
import { IDENTITY_SIZE, LogicalUnit } from '../vsp/storage/logical-unit.ts';
import { RequestTable } from '../vsp/storage/request-table.ts';
import type { DiskDescription } from './description.ts';
import { attachMemory } from './saved-state/attach-memory.ts';
import {
  CONTROLLER_INSTANCE, STORAGE_DOORBELL, type StorageCommand, type StorageReport, StorageWord, type StorageWorkerData,
} from './storage-protocol.ts';

/** Waiting is by notification; the limit only bounds one wait. */
const WAIT_MS = 60_000;
/** An NAA identifier, registered and extended, of the vendor that the disks say they are from [SPC-4 7.8.6.6.5]. */
const NAA_PREFIX = [0x60, 0x02, 0x24, 0x80];

class StorageThread {
  readonly #data: StorageWorkerData;
  readonly #port: MessagePort;
  readonly #memory: GuestMemory;
  readonly #synic: SynicPort;
  readonly #connections: Connections;
  readonly #words: Int32Array;
  readonly #disks: readonly Disk[];
  readonly #controller: StorageController;
  #channel: Channel | undefined;
  #wantsTurn = false;
  #isHeld = false;

  constructor(data: StorageWorkerData, port: MessagePort) {
    this.#data = data;
    this.#port = port;
    const control = new ControlBuffer(data.control);
    this.#memory = attachMemory(data.engine, data.memory).memory;
    const requests = new ProcessorRequests(data.engine);
    const router = new InterruptRouter({ control, kick: (index) => requests.kick(index) });
    this.#synic = new SynicPort({ control, router });
    this.#connections = new Connections(control);
    this.#words = new Int32Array(data.words);
    this.#disks = openDisks(data.disks);
    this.#controller = new StorageController({
      instanceId: CONTROLLER_INSTANCE,
      memory: this.#memory,
      requests: data.requests,
      units: this.#disks.map((disk, lun) => new LogicalUnit({ disk, identity: identityOf(disk.name, lun) })),
      onMemoryWritten: this.#memory.written,
    });
  }

  run(): void {
    const bell = this.#connections.doorbell(STORAGE_DOORBELL);
    const onSignal = (): void => {
      this.#wantsTurn = true;
    };
    for (;;) {
      while (!bell.answer() && !this.#wantsTurn) bell.block(WAIT_MS);
      if (!this.#obey()) return;
      this.#connections.takeSignals(STORAGE_DOORBELL, onSignal);
      this.#turn();
    }
  }

  #turn(): void {
    this.#wantsTurn = false;
    if (this.#channel === undefined || this.#isHeld) return;
    this.#channel.beginTurn();
    this.#controller.signalled();
    this.#channel?.endTurn();
  }

  /** False when the thread is to end. */
  #obey(): boolean {
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: StorageCommand } | undefined;
      if (received === undefined) return true;
      const { message } = received;
      this.#carryOut(message);
      Atomics.store(this.#words, StorageWord.Acknowledged, message.number);
      Atomics.notify(this.#words, StorageWord.Acknowledged);
      if (message.kind === 'stop') return false;
    }
  }

  #carryOut(command: StorageCommand): void {
    switch (command.kind) {
      case 'open':
        this.#open(command.channel);
        return;
      case 'close':
        this.#close();
        return;
      case 'hold':
        this.#turn();
        for (const disk of this.#disks) disk.flushSync();
        this.#isHeld = true;
        return;
      case 'go-on':
        this.#isHeld = false;
        this.#wantsTurn = true;
        return;
      case 'stop':
        this.#close();
        for (const disk of this.#disks) disk.closeSync();
        return;
      default:
        command satisfies never;
    }
  }

  #open(handle: ChannelHandle): void {
    const { relid } = handle;
    const ledger = new ChannelLedger(this.#data.ledger, relid);
    this.#channel = new Channel({
      ...handle,
      ring: new GuestPages({ buffer: this.#memory.buffer, ...handle.ring }),
      ledger,
      receivePosition: handle.isRestored ? new RequestTable(this.#data.requests).receivePosition : undefined,
      signalGuest: () => {
        const processor = ledger.targetVp;
        if (processor !== NO_TARGET_VP) this.#synic.signalEvent(processor, VMBUS_SINT, relid);
      },
      comeAgain: () => {
        this.#wantsTurn = true;
      },
      fail: (reason) => {
        this.#close();
        report({ kind: 'broken', reason });
      },
      pagesOf: () => undefined,
    });
    this.#controller.opened(this.#channel);
    // The guest may have rung before the bell was ours.
    this.#wantsTurn = true;
  }

  #close(): void {
    if (this.#channel === undefined) return;
    this.#channel.close();
    this.#channel = undefined;
    this.#controller.closed();
  }
}

function openDisks(descriptions: readonly DiskDescription[]): Disk[] {
  const disks: Disk[] = [];
  try {
    for (const { path, readOnly } of descriptions) disks.push(openDisk(path, { readOnly }));
  } catch (error) {
    for (const disk of disks) disk.closeSync();
    throw error;
  }
  return disks;
}

/** The same for the same file at the same place, run after run. */
function identityOf(path: string, lun: number): Uint8Array {
  const digest = createHash('sha256').update(`${lun}:${realpathSync(path)}`).digest();
  const identity = new Uint8Array(IDENTITY_SIZE);
  identity.set(NAA_PREFIX);
  identity.set(digest.subarray(0, IDENTITY_SIZE - NAA_PREFIX.length), NAA_PREFIX.length);
  return identity;
}

function report(message: StorageReport): void {
  parentPort?.postMessage(message);
}

function main(): void {
  const data = workerData as StorageWorkerData & { readonly commands: MessagePort };
  let thread: StorageThread;
  try {
    thread = new StorageThread(data, data.commands);
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
