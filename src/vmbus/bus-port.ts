/**
 * What VMBus needs of the hypervisor: messages and events in both directions. The microkernel sees connection ids,
 * SINTs and flags; here they become channels.
 */
import type { Connections } from '../hypervisor/connections.ts';
import type { Message } from '../hypervisor/message-ring.ts';
import type { PostResult, SynicPort } from '../hypervisor/synic-port.ts';
import { MessageConnection, VMBUS_SINT } from '../protocols/vmbus/message-table.ts';
import { MessageType } from '../protocols/tlfs/synic.ts';

/** Connection ids of channels lie above those for messages: this plus the channel's id. */
const EVENT_CONNECTIONS = 2048;

export interface BusPort {
  readonly processorCount: number;
  /** Posts a channel message to the guest; after `Full` the thread is woken once there is room. */
  post(processor: number, message: Uint8Array): PostResult;
  /** Sets a channel's flag on a processor of the guest. */
  signal(processor: number, relid: number): void;
  /** The number by which the guest rings a channel, from now until `closeEvents`. */
  openEvents(relid: number): void;
  closeEvents(relid: number): void;
  connectionId(relid: number): number;
  takeMessage(): Message | undefined;
  /** Calls `each` for every channel that the guest rang. */
  takeSignals(each: (relid: number) => void): void;
  /** Wakes the bus's own thread for another turn. */
  comeAgain(): void;
}

/** The port over the microkernel's shared memory, for the thread of one doorbell. */
export class HypervisorBusPort implements BusPort {
  readonly processorCount: number;
  readonly #synic: SynicPort;
  readonly #connections: Connections;
  readonly #doorbell: number;

  constructor(options: { synic: SynicPort; connections: Connections; doorbell: number }) {
    this.processorCount = options.synic.processorCount;
    this.#synic = options.synic;
    this.#connections = options.connections;
    this.#doorbell = options.doorbell;
    for (const id of Object.values(MessageConnection)) options.connections.openMessages(id, options.doorbell);
  }

  post(processor: number, message: Uint8Array): PostResult {
    return this.#synic.postMessage(processor, VMBUS_SINT, MessageType.Channel, message, this.#doorbell);
  }

  signal(processor: number, relid: number): void {
    this.#synic.signalEvent(processor, VMBUS_SINT, relid);
  }

  openEvents(relid: number): void {
    this.#connections.openEvents(this.connectionId(relid), this.#doorbell);
  }

  closeEvents(relid: number): void {
    this.#connections.close(this.connectionId(relid));
  }

  connectionId(relid: number): number {
    return EVENT_CONNECTIONS + relid;
  }

  takeMessage(): Message | undefined {
    return this.#connections.takeMessage();
  }

  takeSignals(each: (relid: number) => void): void {
    this.#connections.takeSignals(this.#doorbell, (id) => each(id - EVENT_CONNECTIONS));
  }

  comeAgain(): void {
    this.#connections.doorbell(this.#doorbell).ring();
  }
}
