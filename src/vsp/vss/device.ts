/**
 * Volume snapshots: has the guest write back and hold still its file systems, so that a copy of its disks is one that
 * a mount would find clean. It takes the guest's daemon, `hv_vss_daemon`, to freeze; the driver alone answers no.
 */
import type { Timers } from '../../kit/timers.ts';
import {
  IntegrationMessage, IntegrationStatus, type IntegrationVersion, integrationVersionText,
} from '../../protocols/integration/framing.ts';
import { VssBody, VssOperation } from '../../protocols/integration/vss.ts';
import { ClassId } from '../../protocols/vmbus/class-ids.ts';
import type { Channel } from '../../vmbus/channel.ts';
import { expectSuccess, IntegrationChannel, type IntegrationReply } from '../integration-channel.ts';
import { expectStateVersion, integrationOffer, type Service } from '../service.ts';
import { VSS_STATE_VERSION, type VssState } from './state.ts';

/** A guest's driver gives its daemon 15 minutes to freeze. */
const FREEZE_TIMEOUT_MS = 15 * 60_000;
const ANSWER_TIMEOUT_MS = 30_000;

const PROTOCOL = {
  name: 'volume snapshot',
  type: IntegrationMessage.Vss,
  frameworkVersions: [{ major: 3, minor: 0 }],
  messageVersions: [{ major: 5, minor: 0 }],
};

export class VolumeSnapshots implements Service<VssState> {
  readonly description = integrationOffer(ClassId.Vss, '3f31a9b1-9a1c-4c53-8f5c-1a8d6f0b7c05');
  readonly maxPacketBytes = 8192;
  readonly #channel: IntegrationChannel;
  #isFrozen = false;

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

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** Whether the guest's daemon is there to freeze. */
  async canFreeze(): Promise<boolean> {
    const { status } = await this.#exchange(VssOperation.HotBackup, ANSWER_TIMEOUT_MS);
    return status === IntegrationStatus.Success;
  }

  /**
   * Freezes the guest's file systems until `thaw`.
   * @throws OperatingError when the guest cannot, or has not in time: it may do so later, and is to be thawed.
   */
  async freeze(timeoutMs = FREEZE_TIMEOUT_MS): Promise<void> {
    expectSuccess('freeze its file systems', await this.#exchange(VssOperation.Freeze, timeoutMs));
    this.#isFrozen = true;
  }

  async thaw(timeoutMs = ANSWER_TIMEOUT_MS): Promise<void> {
    expectSuccess('thaw its file systems', await this.#exchange(VssOperation.Thaw, timeoutMs));
    this.#isFrozen = false;
  }

  opened(channel: Channel): void {
    this.#channel.opened(channel);
  }

  signalled(): void {
    this.#channel.signalled();
  }

  closed(): void {
    this.#isFrozen = false;
    this.#channel.closed();
  }

  saveState(): VssState {
    return { version: VSS_STATE_VERSION, isFrozen: this.#isFrozen };
  }

  restoreState(state: VssState): void {
    expectStateVersion('volume snapshot', state.version, VSS_STATE_VERSION);
    this.#isFrozen = state.isFrozen;
  }

  inspect(): object {
    return { version: this.version && integrationVersionText(this.version), isFrozen: this.#isFrozen };
  }

  #exchange(operation: VssOperation, timeoutMs: number): Promise<IntegrationReply> {
    const body = new Uint8Array(VssBody.$size);
    VssBody.operation.set(new DataView(body.buffer), 0, operation);
    return this.#channel.exchange(body, timeoutMs);
  }
}
