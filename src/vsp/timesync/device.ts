/**
 * Time synchronisation: tells the guest the wall clock together with the reference time at which it was read. Once
 * after the guest's driver is there, and whenever our clock has stepped, as an order to set its clock; otherwise as a
 * sample for its own time daemon.
 */
import type { Clock } from '../../kit/clock.ts';
import type { Timer, Timers } from '../../kit/timers.ts';
import { EPOCH_1970, TimeBody, TimeFlag, TimeReferenceBody } from '../../protocols/integration/basic.ts';
import {
  IntegrationMessage, type IntegrationVersion, integrationVersionText,
} from '../../protocols/integration/framing.ts';
import { ClassId } from '../../protocols/vmbus/class-ids.ts';
import type { Channel } from '../../vmbus/channel.ts';
import { IntegrationChannel } from '../integration-channel.ts';
import { expectStateVersion, integrationOffer, type Service } from '../service.ts';
import { TIME_SYNC_STATE_VERSION, type TimeSyncState } from './state.ts';

export const SAMPLE_INTERVAL_MS = 5000;
/** Wall clock and monotonic clock going apart by more than this is a step. */
export const STEP_MS = 500;
const ANSWER_TIMEOUT_MS = 4000;
const FIRST_WITH_REFERENCE = 4;

const PROTOCOL = {
  name: 'time synchronisation',
  type: IntegrationMessage.TimeSync,
  frameworkVersions: [{ major: 3, minor: 0 }, { major: 1, minor: 0 }],
  messageVersions: [{ major: 4, minor: 0 }, { major: 3, minor: 0 }, { major: 1, minor: 0 }],
};

export class TimeSync implements Service<TimeSyncState> {
  readonly description = integrationOffer(ClassId.TimeSync, '3f31a9b1-9a1c-4c53-8f5c-1a8d6f0b7c03');
  readonly maxPacketBytes = 4096;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #referenceTime: () => number;
  readonly #channel: IntegrationChannel;
  #timer: Timer | undefined;
  #offsetMs = Number.NaN;
  #synchronisations = 0;

  /** @param options.referenceTime the guest's reference time in units of 100 ns. */
  constructor(options: { clock: Clock; timers: Timers; referenceTime: () => number }) {
    this.#clock = options.clock;
    this.#timers = options.timers;
    this.#referenceTime = options.referenceTime;
    this.#channel = new IntegrationChannel({
      protocol: PROTOCOL, timers: options.timers, onReady: () => this.synchronise(),
    });
  }

  get version(): IntegrationVersion | undefined {
    return this.#channel.version;
  }

  /** Sets the guest's clock now: after it was restored, or when our clock is known to have stepped. */
  synchronise(): void {
    this.#offsetMs = Number.NaN;
    this.#tick();
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
  }

  saveState(): TimeSyncState {
    return { version: TIME_SYNC_STATE_VERSION };
  }

  restoreState(state: TimeSyncState): void {
    expectStateVersion('time synchronisation', state.version, TIME_SYNC_STATE_VERSION);
  }

  inspect(): object {
    return { version: this.version && integrationVersionText(this.version), synchronisations: this.#synchronisations };
  }

  #tick(): void {
    const { version } = this;
    this.#timer?.cancel();
    if (version === undefined) return;
    const wallMs = this.#clock.wallMs();
    const offsetMs = wallMs - this.#clock.nowNs() / 1e6;
    const hasStepped = !(Math.abs(offsetMs - this.#offsetMs) <= STEP_MS);
    if (hasStepped) {
      this.#offsetMs = offsetMs;
      this.#synchronisations++;
    }
    const flags = hasStepped ? TimeFlag.Sync : TimeFlag.Sample;
    const body = version.major >= FIRST_WITH_REFERENCE
      ? referenceBody(wallMs, this.#referenceTime(), flags) : plainBody(wallMs, flags);
    // A guest that does not answer keeps its own time; there is nothing else to do about it.
    this.#channel.exchange(body, ANSWER_TIMEOUT_MS).catch(() => {});
    this.#timer = this.#timers.after(SAMPLE_INTERVAL_MS, () => this.#tick());
  }
}

function parentTime(wallMs: number): { parentTimeLow: number; parentTimeHigh: number } {
  const time = BigInt(Math.floor(wallMs)) * 10_000n + EPOCH_1970;
  return { parentTimeLow: Number(time & 0xffff_ffffn), parentTimeHigh: Number(time >> 32n) };
}

function referenceBody(wallMs: number, reference: number, flags: number): Uint8Array {
  const body = new Uint8Array(TimeReferenceBody.$size);
  TimeReferenceBody.encode(new DataView(body.buffer), 0, {
    ...parentTime(wallMs), flags, stratum: 1,
    referenceTimeLow: reference >>> 0, referenceTimeHigh: Math.floor(reference / 0x1_0000_0000),
  });
  return body;
}

function plainBody(wallMs: number, flags: number): Uint8Array {
  const body = new Uint8Array(TimeBody.$size);
  TimeBody.encode(new DataView(body.buffer), 0, { ...parentTime(wallMs), flags });
  return body;
}
