/**
 * The frame of a service: the parent partition's end of one VMBus device. A service sees one channel, is called on
 * one thread, and knows nothing of the hypervisor, of other services or of how many processors a guest has. Each is a
 * folder with the same files: `device.ts` (the service), `state.ts` (its value for save and restore), `device.test.ts`
 * and a README.
 */
import type { ChannelService, OfferDescription } from '../vmbus/offer.ts';
import type { Guid } from '../protocols/vmbus/class-ids.ts';
import { OfferFlag, PipeType } from '../protocols/vmbus/message-table.ts';

export interface Service<State> extends ChannelService {
  /** A versioned value from which `restoreState` of a new service goes on. Only between two turns. */
  saveState(): State;
  /** Before the channel is opened again. */
  restoreState(state: State): void;
  /** A tree of live state, for people. */
  inspect(): object;
}

/** The description of an integration service: a pipe of messages. */
export function integrationOffer(classId: Guid, instanceId: Guid): OfferDescription {
  const userDefined = Uint8Array.of(PipeType.Message, 0, 0, 0);
  return { classId, instanceId, flags: OfferFlag.EnumerateDeviceInterface | OfferFlag.NamedPipe, userDefined };
}

/**
 * Checks the version of a saved value.
 * @throws Error when this program does not read it.
 */
export function expectStateVersion(name: string, version: number, expected: number): void {
  if (version === expected) return;
  throw new Error(`this state of the ${name} service has version ${version}; this program reads version ` +
    `${expected}: restore it with the program that saved it or a newer one`);
}
