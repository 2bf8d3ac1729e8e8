/** A service that keeps what it was told and does what a test says. */
import type { Channel } from '../channel.ts';
import type { ChannelService, OfferDescription } from '../offer.ts';

export const TEST_CLASS = '11111111-2222-3333-4444-555555555555';

export class RecordingService implements ChannelService {
  readonly description: OfferDescription;
  readonly maxPacketBytes = 4096;
  outlivesRescind = false;
  readonly log: string[] = [];
  readonly received: Uint8Array[] = [];
  channel: Channel | undefined;
  /** What to do in a turn; by default read everything. */
  onSignalled: (() => void) | undefined;

  constructor(instance = 1) {
    this.description = {
      classId: TEST_CLASS, flags: 0, instanceId: `00000000-0000-0000-0000-${String(instance).padStart(12, '0')}`,
    };
  }

  opened(channel: Channel): void {
    this.channel = channel;
    this.log.push(channel.isRestored ? 'restored' : 'opened');
  }

  signalled(): void {
    if (this.onSignalled !== undefined) {
      this.onSignalled();
      return;
    }
    while (this.channel?.receive() === true) this.received.push(this.channel.payload.slice());
  }

  closed(): void {
    this.channel = undefined;
    this.log.push('closed');
  }

  released(): void {
    this.log.push('released');
  }
}
