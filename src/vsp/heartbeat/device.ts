/**
 * Heartbeat: every two seconds a number that the guest must send back plus one. A guest that hangs with its interrupts
 * on still answers; one whose kernel is stuck does not.
 */
import type { Timer, Timers } from '../../kit/timers.ts';
import { HeartbeatBody } from '../../protocols/integration/basic.ts';
import {
  IntegrationMessage, type IntegrationVersion, integrationVersionText,
} from '../../protocols/integration/framing.ts';
import { ClassId } from '../../protocols/vmbus/class-ids.ts';
import type { Channel } from '../../vmbus/channel.ts';
import { IntegrationChannel, type IntegrationReply } from '../integration-channel.ts';
import { expectStateVersion, integrationOffer, type Service } from '../service.ts';
import { HEARTBEAT_STATE_VERSION, type HeartbeatState } from './state.ts';

export const HEARTBEAT_INTERVAL_MS = 2000;
/** A beat that is not answered for this long is lost. */
export const HEARTBEAT_TIMEOUT_MS = 6000;

/** Nobody answers (no driver yet); the last beat was answered; it was not. */
export type HeartbeatHealth = 'no-contact' | 'ok' | 'lost';

const PROTOCOL = {
  name: 'heartbeat',
  type: IntegrationMessage.Heartbeat,
  frameworkVersions: [{ major: 3, minor: 0 }, { major: 1, minor: 0 }],
  messageVersions: [{ major: 3, minor: 0 }, { major: 1, minor: 0 }],
};

export class Heartbeat implements Service<HeartbeatState> {
  readonly description = integrationOffer(ClassId.Heartbeat, '3f31a9b1-9a1c-4c53-8f5c-1a8d6f0b7c01');
  readonly maxPacketBytes = 4096;
  readonly #channel: IntegrationChannel;
  readonly #timers: Timers;
  readonly #onChange: (health: HeartbeatHealth) => void;
  #timer: Timer | undefined;
  #health: HeartbeatHealth = 'no-contact';
  #sequence = 0;
  #answered = 0;

  constructor(options: { timers: Timers; onChange?: (health: HeartbeatHealth) => void }) {
    this.#timers = options.timers;
    this.#onChange = options.onChange ?? ((): void => {});
    this.#channel = new IntegrationChannel({
      protocol: PROTOCOL, timers: options.timers, onReady: () => this.#beat(),
    });
  }

  get health(): HeartbeatHealth {
    return this.#health;
  }

  /** How many beats the guest has answered since it was started. */
  get answered(): number {
    return this.#answered;
  }

  get version(): IntegrationVersion | undefined {
    return this.#channel.version;
  }

  opened(channel: Channel): void {
    this.#channel.opened(channel);
  }

  signalled(): void {
    this.#channel.signalled();
  }

  closed(): void {
    this.#timer?.cancel();
    this.#channel.closed();
    this.#become('no-contact');
  }

  saveState(): HeartbeatState {
    return { version: HEARTBEAT_STATE_VERSION, sequence: this.#sequence, answered: this.#answered };
  }

  restoreState(state: HeartbeatState): void {
    expectStateVersion('heartbeat', state.version, HEARTBEAT_STATE_VERSION);
    this.#sequence = state.sequence;
    this.#answered = state.answered;
  }

  inspect(): object {
    const version = this.version && integrationVersionText(this.version);
    return { version, health: this.#health, sequence: this.#sequence, answered: this.#answered };
  }

  #beat(): void {
    this.#sequence++;
    const body = new Uint8Array(HeartbeatBody.$size);
    HeartbeatBody.sequence.set(new DataView(body.buffer), 0, this.#sequence);
    this.#channel.exchange(body, HEARTBEAT_TIMEOUT_MS).then((reply) => this.#take(reply), () => this.#missed());
  }

  #take({ body }: IntegrationReply): void {
    const isWhole = body.byteLength >= HeartbeatBody.$size;
    const isRight = isWhole && HeartbeatBody.sequence.get(body, 0) === this.#sequence + 1;
    if (isRight) this.#answered++;
    this.#become(isRight ? 'ok' : 'lost');
    this.#next();
  }

  /** Beats go on after a lost one: the guest may come back. */
  #missed(): void {
    if (this.version === undefined) return;
    this.#become('lost');
    this.#next();
  }

  #next(): void {
    if (this.version === undefined) return;
    this.#timer?.cancel();
    this.#timer = this.#timers.after(HEARTBEAT_INTERVAL_MS, () => this.#beat());
  }

  #become(health: HeartbeatHealth): void {
    if (this.#health === health) return;
    this.#health = health;
    this.#onChange(health);
  }
}
