/**
 * A bus as a value: connection, offers, page lists, ledger, messages on their way. Restoring needs the same services
 * to be offered; a channel whose service is not there any more (a stream to a program of the host) is rescinded.
 */
import type { Guid } from '../protocols/vmbus/class-ids.ts';
import type { VmBus } from './bus.ts';
import type { GpadlState } from './gpadl-table.ts';
import { ChannelLedger } from './ledger.ts';
import type { Offer, OfferPhase, OpenParameters } from './offer.ts';
import { isOrphan, orphanService } from './orphan.ts';

export const BUS_STATE_VERSION = 1;

export interface OfferState {
  readonly relid: number;
  readonly classId: Guid;
  readonly instanceId: Guid;
  readonly subChannelIndex: number;
  readonly phase: OfferPhase;
  readonly isWanted: boolean;
  readonly targetVp: number;
  readonly open: OpenParameters | undefined;
  readonly ledger: readonly number[];
}

export interface BusState {
  readonly version: number;
  readonly connection:
    { readonly version: number; readonly processor: number; readonly offersRequested: boolean } | undefined;
  readonly offers: readonly OfferState[];
  readonly gpadls: readonly GpadlState[];
  readonly outbox: readonly { readonly processor: number; readonly message: Uint8Array }[];
}

export function saveBus(bus: VmBus): BusState {
  return {
    version: BUS_STATE_VERSION,
    connection: bus.connection && { ...bus.connection },
    offers: bus.offers.all().map((offer) => ({
      relid: offer.relid,
      classId: offer.service.description.classId,
      instanceId: offer.service.description.instanceId,
      subChannelIndex: offer.subChannelIndex,
      phase: offer.phase,
      isWanted: offer.isWanted,
      targetVp: offer.targetVp,
      open: offer.open,
      ledger: offer.phase === 'open' ? new ChannelLedger(bus.channels.ledger, offer.relid).save() : [],
    })),
    gpadls: bus.gpadls.save(),
    outbox: bus.outbox.save(),
  };
}

/** @throws Error when the state is of another version. */
export function restoreBus(bus: VmBus, state: BusState): void {
  if (state.version !== BUS_STATE_VERSION) {
    throw new Error(`this VMBus state has version ${state.version}; this program reads version ` +
      `${BUS_STATE_VERSION}: restore it with the program that saved it or a newer one`);
  }
  bus.connection = state.connection && { ...state.connection };
  bus.gpadls.restore(state.gpadls);
  bus.outbox.restore(state.outbox);
  const offers = new Map<Offer, OfferState>();
  for (const saved of state.offers) offers.set(findOrMake(bus, saved), saved);
  bus.offers.renumber(new Map([...offers].map(([offer, { relid }]) => [offer, relid])));
  for (const [offer, saved] of offers) restoreOffer(bus, offer, saved);
}

function findOrMake(bus: VmBus, saved: OfferState): Offer {
  const found = bus.offers.all().find((offer) =>
    offer.service.description.instanceId === saved.instanceId && offer.subChannelIndex === saved.subChannelIndex);
  if (found !== undefined) return found;
  const offer = bus.offers.add(orphanService(saved.classId, saved.instanceId), saved.subChannelIndex);
  if (offer === undefined) throw new Error('this VMBus state has more channels than a bus can offer');
  return offer;
}

function restoreOffer(bus: VmBus, offer: Offer, saved: OfferState): void {
  offer.phase = saved.phase;
  offer.targetVp = saved.targetVp;
  offer.isWanted = saved.isWanted && !isOrphan(offer.service);
  if (isOrphan(offer.service)) {
    bus.rescind(offer);
    return;
  }
  if (saved.phase === 'open') {
    new ChannelLedger(bus.channels.ledger, offer.relid).restore(saved.ledger);
    offer.open = saved.open;
    if (!bus.channels.open(offer, true)) bus.rescind(offer);
  }
  bus.channels.resume(offer);
}
