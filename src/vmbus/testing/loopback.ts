/** A hypervisor's port in memory: what the guest posts and what it is told, without a processor. */
import { type PostResult, PostResult as Result } from '../../hypervisor/synic-port.ts';
import type { Message } from '../../hypervisor/message-ring.ts';
import type { BusPort } from '../bus-port.ts';

export class LoopbackPort implements BusPort {
  readonly processorCount: number;
  /** Messages to the guest, with their processor. */
  readonly toGuest: { processor: number; message: Uint8Array }[] = [];
  /** Channels signalled to the guest, as `processor:relid`. */
  readonly signals: string[] = [];
  readonly openConnections = new Set<number>();
  /** How many messages the guest has room for. */
  room = Number.MAX_SAFE_INTEGER;
  turnsWanted = 0;
  /** What gives the bus another turn when it wants one; by default the test does. */
  wake: () => void = () => {};
  readonly #fromGuest: Message[] = [];
  readonly #rung = new Set<number>();

  constructor(processorCount = 2) {
    this.processorCount = processorCount;
  }

  post(processor: number, message: Uint8Array): PostResult {
    if (this.toGuest.length >= this.room) return Result.Full;
    this.toGuest.push({ processor, message: message.slice() });
    return Result.Queued;
  }

  signal(processor: number, relid: number): void {
    this.signals.push(`${processor}:${relid}`);
  }

  openEvents(relid: number): void {
    this.openConnections.add(relid);
  }

  closeEvents(relid: number): void {
    this.openConnections.delete(relid);
    this.#rung.delete(relid);
  }

  connectionId(relid: number): number {
    return 2048 + relid;
  }

  takeMessage(): Message | undefined {
    return this.#fromGuest.shift();
  }

  takeSignals(each: (relid: number) => void): void {
    const rung = [...this.#rung];
    this.#rung.clear();
    rung.forEach(each);
  }

  comeAgain(): void {
    this.turnsWanted++;
    this.wake();
  }

  /** The guest posts a message. */
  postFromGuest(payload: Uint8Array, processor = 0): void {
    this.#fromGuest.push({ connectionId: 4, processor, messageType: 1, payload });
  }

  /** The guest rings a channel. */
  ring(relid: number): void {
    if (this.openConnections.has(relid)) this.#rung.add(relid);
  }
}
