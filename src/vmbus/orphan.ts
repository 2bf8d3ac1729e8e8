/** What stands behind a channel of a saved state whose service is not there any more, until the guest lets go of it. */
import type { Guid } from '../protocols/vmbus/class-ids.ts';
import type { ChannelService } from './offer.ts';

class Orphan implements ChannelService {
  readonly description;
  readonly maxPacketBytes = 0;

  constructor(classId: Guid, instanceId: Guid) {
    this.description = { classId, instanceId, flags: 0 };
  }

  opened(): void {
    // Its channel is rescinded and never opened.
  }

  signalled(): void {
    // Nor does it take packets.
  }

  closed(): void {
    // There is nothing to close.
  }
}

export function orphanService(classId: Guid, instanceId: Guid): ChannelService {
  return new Orphan(classId, instanceId);
}

export function isOrphan(service: ChannelService): boolean {
  return service instanceof Orphan;
}
