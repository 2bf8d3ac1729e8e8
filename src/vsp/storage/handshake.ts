/**
 * How a guest's driver and a controller come to terms [Linux drivers/scsi/storvsc_drv.c, storvsc_channel_init]: begin,
 * version, properties, end, more channels. Said over the first channel, and kept in its ledger, so that a service that
 * starts again knows how far the guest is.
 */

import {
  StorvscOperation, StorvscProperties, StorvscPropertyFlag, StorvscProtocolVersion, StorvscStatus, StorvscSubChannels,
  StorvscVersion,
} from '../../protocols/storvsc.ts';
import type { ChannelLedger } from '../../vmbus/ledger.ts';
import { MAX_TRANSFER_BYTES } from './transfer.ts';

const Phase = { New: 0, Begun: 1, Negotiated: 2, Ready: 3 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];
const PHASE_PARAMETER = 0;
const VERSION_PARAMETER = 1;
const VERSIONS: readonly number[] = Object.values(StorvscVersion);

export interface HandshakeOptions {
  /** Of the first channel, while it is open. */
  readonly ledger: () => ChannelLedger | undefined;
  readonly maxSubChannels: number;
  readonly onSubChannels: (count: number) => void;
}

export class Handshake {
  readonly #options: HandshakeOptions;

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  get isReady(): boolean {
    return this.#phase === Phase.Ready;
  }

  /** Carries out an operation; a status. The body of the answer at `body` is the request's, to be changed. */
  carryOut(operation: number, view: DataView, body: number): number {
    switch (operation) {
      case StorvscOperation.BeginInitialization:
        this.#phase = Phase.Begun;
        return StorvscStatus.Success;
      case StorvscOperation.QueryProtocolVersion: {
        if (this.#phase === Phase.New) return StorvscStatus.InvalidDeviceRequest;
        const version = StorvscProtocolVersion.version.get(view, body);
        if (!VERSIONS.includes(version)) return StorvscStatus.RevisionMismatch;
        this.#options.ledger()?.setParameter(VERSION_PARAMETER, version);
        this.#phase = Phase.Negotiated;
        return StorvscStatus.Success;
      }
      case StorvscOperation.QueryProperties:
        if (this.#phase < Phase.Negotiated) return StorvscStatus.InvalidDeviceRequest;
        this.#putProperties(view, body);
        return StorvscStatus.Success;
      case StorvscOperation.EndInitialization:
        if (this.#phase < Phase.Negotiated) return StorvscStatus.InvalidDeviceRequest;
        this.#phase = Phase.Ready;
        return StorvscStatus.Success;
      case StorvscOperation.CreateSubChannels: {
        const count = StorvscSubChannels.get(view, body);
        if (!this.isReady || count === 0 || count > this.#options.maxSubChannels) return StorvscStatus.InvalidParameter;
        this.#options.onSubChannels(count);
        return StorvscStatus.Success;
      }
      default:
        return StorvscStatus.InvalidDeviceRequest;
    }
  }

  inspect(): object {
    const version = this.#options.ledger()?.parameter(VERSION_PARAMETER) ?? 0;
    return { phase: Object.keys(Phase)[this.#phase], version: version.toString(16) };
  }

  get #phase(): Phase {
    return (this.#options.ledger()?.parameter(PHASE_PARAMETER) ?? Phase.New) as Phase;
  }

  set #phase(phase: Phase) {
    this.#options.ledger()?.setParameter(PHASE_PARAMETER, phase);
  }

  #putProperties(view: DataView, body: number): void {
    const { maxSubChannels } = this.#options;
    StorvscProperties.encode(view, body, {
      reserved: 0, maxSubChannels, reserved1: 0, flags: maxSubChannels > 0 ? StorvscPropertyFlag.MultiChannel : 0,
      maxTransferBytes: MAX_TRANSFER_BYTES, reserved2: new Uint8Array(8),
    });
  }
}
