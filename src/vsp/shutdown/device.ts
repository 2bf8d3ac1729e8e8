/**
 * Shutdown: asks the guest to switch itself off, or to restart, as from its own console. The guest answers whether it
 * will; that it is done shows when its machine ends.
 */
import type { Timers } from '../../kit/timers.ts';
import { ShutdownBody, ShutdownFlag } from '../../protocols/integration/basic.ts';
import {
  IntegrationMessage, type IntegrationVersion, integrationVersionText,
} from '../../protocols/integration/framing.ts';
import { ClassId } from '../../protocols/vmbus/class-ids.ts';
import type { Channel } from '../../vmbus/channel.ts';
import { expectSuccess, IntegrationChannel } from '../integration-channel.ts';
import { expectStateVersion, integrationOffer, type Service } from '../service.ts';
import { SHUTDOWN_STATE_VERSION, type ShutdownState } from './state.ts';

const ANSWER_TIMEOUT_MS = 30_000;
/** SHTDN_REASON_FLAG_PLANNED: what Windows hosts give. */
const REASON_PLANNED = 0x8000_0000;

const PROTOCOL = {
  name: 'shutdown',
  type: IntegrationMessage.Shutdown,
  frameworkVersions: [{ major: 3, minor: 0 }, { major: 1, minor: 0 }],
  messageVersions: [
    { major: 3, minor: 2 }, { major: 3, minor: 1 }, { major: 3, minor: 0 }, { major: 1, minor: 0 },
  ],
};

export interface ShutdownRequest {
  readonly restart?: boolean;
  /** Programs in the guest may not hold it up. */
  readonly force?: boolean;
}

export class Shutdown implements Service<ShutdownState> {
  readonly description = integrationOffer(ClassId.Shutdown, '3f31a9b1-9a1c-4c53-8f5c-1a8d6f0b7c02');
  readonly maxPacketBytes = 4096;
  readonly #channel: IntegrationChannel;

  constructor(options: { timers: Timers }) {
    this.#channel = new IntegrationChannel({ protocol: PROTOCOL, timers: options.timers, onReady: () => {} });
  }

  get version(): IntegrationVersion | undefined {
    return this.#channel.version;
  }

  /** Resolves once the guest is there for it; OperatingError when it is not in time. */
  ready(timeoutMs: number): Promise<void> {
    return this.#channel.ready(timeoutMs);
  }

  /**
   * Resolves when the guest has said that it will.
   * @throws OperatingError when it has no driver for this, does not answer, or refuses.
   */
  async request({ restart = false, force = false }: ShutdownRequest): Promise<void> {
    const body = new Uint8Array(ShutdownBody.$size);
    ShutdownBody.encode(new DataView(body.buffer), 0, {
      reason: REASON_PLANNED,
      flags: (restart ? ShutdownFlag.Restart : 0) | (force ? ShutdownFlag.Force : 0),
    });
    expectSuccess(restart ? 'restart' : 'shut down', await this.#channel.exchange(body, ANSWER_TIMEOUT_MS));
  }

  opened(channel: Channel): void {
    this.#channel.opened(channel);
  }

  signalled(): void {
    this.#channel.signalled();
  }

  closed(): void {
    this.#channel.closed();
  }

  saveState(): ShutdownState {
    return { version: SHUTDOWN_STATE_VERSION };
  }

  restoreState(state: ShutdownState): void {
    expectStateVersion('shutdown', state.version, SHUTDOWN_STATE_VERSION);
  }

  inspect(): object {
    return { version: this.version && integrationVersionText(this.version) };
  }
}
