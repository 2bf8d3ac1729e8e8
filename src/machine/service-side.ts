/**
 * What a thread that serves devices of the guest has, whatever the devices are: the guest's memory, the doorbells, the
 * main thread's commands, and the way to tell the guest of a channel.
 */

import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { ProcessorRequests } from '../engine/processor-requests.ts';
import { Connections } from '../hypervisor/connections.ts';
import { ControlBuffer } from '../hypervisor/control-buffer.ts';
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import { InterruptRouter } from '../hypervisor/interrupt-router.ts';
import { SynicPort } from '../hypervisor/synic-port.ts';
import { NO_TARGET_VP, VMBUS_SINT } from '../protocols/vmbus/message-table.ts';
import { ChannelLedger } from '../vmbus/ledger.ts';
import { attachMemory } from './saved-state/attach-memory.ts';
import { type ServiceMachineData, ServiceWord, type ServiceWorkerData } from './service-protocol.ts';

export class ServiceSide<Command extends { readonly kind: string }> {
  readonly memory: GuestMemory;
  readonly connections: Connections;
  /** From the main thread. */
  readonly commands: MessagePort;
  readonly #synic: SynicPort;
  readonly #ledger: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(data: ServiceMachineData & ServiceWorkerData) {
    const control = new ControlBuffer(data.control);
    const requests = new ProcessorRequests(data.engine);
    const router = new InterruptRouter({ control, kick: (index) => requests.kick(index) });
    this.memory = attachMemory(data.engine, data.memory).memory;
    this.connections = new Connections(control);
    this.commands = data.commands;
    this.#synic = new SynicPort({ control, router });
    this.#ledger = data.ledger;
    this.#words = new Int32Array(data.words);
  }

  /** Whether the thread has nothing to do, for whoever watches it. */
  set isIdle(isIdle: boolean) {
    Atomics.store(this.#words, ServiceWord.Idle, isIdle ? 1 : 0);
  }

  /** The thread does something. */
  progress(): void {
    Atomics.add(this.#words, ServiceWord.Progress, 1);
  }

  /** Has all commands carried out that have come, each of which is acknowledged. False when the thread is to end. */
  obey(carryOut: (command: Command & { readonly number: number }) => void): boolean {
    for (;;) {
      const received = receiveMessageOnPort(this.commands) as
        { message: Command & { readonly number: number } } | undefined;
      if (received === undefined) return true;
      const { message } = received;
      carryOut(message);
      Atomics.store(this.#words, ServiceWord.Acknowledged, message.number);
      Atomics.notify(this.#words, ServiceWord.Acknowledged);
      if (message.kind === 'stop') return false;
    }
  }

  /** What a channel needs to be served by this thread. */
  partsOf(relid: number): { readonly ledger: ChannelLedger; readonly signalGuest: () => void } {
    const ledger = new ChannelLedger(this.#ledger, relid);
    return {
      ledger,
      signalGuest: () => {
        const processor = ledger.targetVp;
        if (processor !== NO_TARGET_VP) this.#synic.signalEvent(processor, VMBUS_SINT, relid);
      },
    };
  }
}
