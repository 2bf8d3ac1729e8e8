/**
 * Persistent reservations [SPC-4 5.12, 6.15, 6.16] of the one initiator that a disk has: its guest. They outlive the
 * thread that serves the disk and a reset of the guest, not the machine: that cannot be asked for (APTPL).
 */

import {
  ReserveAction, ReserveCapabilities, ReserveFlag, ReserveHeader, ReserveParameters, ReserveReadAction,
  ReserveStatusDescriptor, ReservationDescriptor, ReservationType, RESERVE_KEY_SIZE, Sense,
} from '../../protocols/scsi.ts';
import { Outcome, type Unit } from './unit.ts';
import type { UnitRequest } from './unit-request.ts';
import type { Reservation } from './unit-state.ts';

const SERVICE_ACTION_MASK = 0x1f;
const TYPE_MASK = 0x0f;
const SCOPE_SHIFT = 4;
const TYPES: readonly number[] = Object.values(ReservationType);
const TYPES_SUPPORTED = 0xea01;
const TYPE_MASK_VALID = 0x80;

interface Key {
  readonly high: number;
  readonly low: number;
}

export function reserveIn(request: UnitRequest, unit: Unit): number {
  const { scratch, scratchView: view, cdb, at } = request;
  const { reservation } = unit.state;
  scratch.fill(0, 0, 64);
  ReserveHeader.generation.set(view, 0, reservation.generation);
  let length: number = ReserveHeader.$size;
  switch (cdb.getUint8(at + 1) & SERVICE_ACTION_MASK) {
    case ReserveReadAction.Keys:
      if (reservation.isRegistered) {
        view.setUint32(length, reservation.keyHigh);
        view.setUint32(length + 4, reservation.keyLow);
        length += RESERVE_KEY_SIZE;
      }
      break;
    case ReserveReadAction.Reservation:
      if (reservation.type !== 0) {
        ReservationDescriptor.encode(view, length, { ...keyOf(reservation), scopeAndType: reservation.type });
        length += ReservationDescriptor.$size;
      }
      break;
    case ReserveReadAction.Capabilities:
      ReserveCapabilities.encode(view, 0, {
        length: ReserveCapabilities.$size, typeMaskFlags: TYPE_MASK_VALID, typeMask: TYPES_SUPPORTED,
      });
      return request.reply(ReserveCapabilities.$size, cdb.getUint16(at + 7));
    case ReserveReadAction.FullStatus:
      if (reservation.isRegistered) {
        ReserveStatusDescriptor.encode(view, length, {
          ...keyOf(reservation), flags: reservation.type === 0 ? 0 : 1, scopeAndType: reservation.type,
        });
        length += ReserveStatusDescriptor.$size;
      }
      break;
    default:
      return Sense.InvalidFieldInCdb;
  }
  ReserveHeader.length.set(view, 0, length - ReserveHeader.$size);
  return request.reply(length, cdb.getUint16(at + 7));
}

export function reserveOut(request: UnitRequest, unit: Unit): number {
  const { scratch, scratchView: view, transfer, cdb, at, queue, sequence } = request;
  // Carried out once already, by a thread that ended before the guest got its answer.
  if (unit.state.wasReservedBy(queue, sequence)) return Sense.None;
  if (cdb.getUint32(at + 5) !== ReserveParameters.$size) return Sense.ParameterListLengthError;
  if (transfer.get(scratch, ReserveParameters.$size) < ReserveParameters.$size) return Sense.ParameterListLengthError;
  request.moved = ReserveParameters.$size;
  if ((ReserveParameters.flags.get(view, 0) & (ReserveFlag.SpecifyPorts | ReserveFlag.PersistThroughPowerLoss)) !== 0) {
    return Sense.InvalidFieldInParameters;
  }
  const key = { high: view.getUint32(0), low: view.getUint32(4) };
  const newKey = { high: view.getUint32(8), low: view.getUint32(12) };
  const old = unit.state.reservation;
  const action = cdb.getUint8(at + 1) & SERVICE_ACTION_MASK;
  const next = changed(old, action, cdb.getUint8(at + 2), key, newKey);
  if (typeof next === 'number') return next;
  unit.state.reserve(next, queue, sequence);
  return Sense.None;
}

/** The reservation after an action, or what is wrong with it. */
function changed(
  old: Reservation, action: number, scopeAndType: number, key: Key, newKey: Key,
): Reservation | number {
  if (action === ReserveAction.Register || action === ReserveAction.RegisterAndIgnore) {
    const mustMatch = action === ReserveAction.Register;
    if (mustMatch && !(old.isRegistered ? isKeyOf(old, key) : isZero(key))) return Outcome.ReservationConflict;
    const generation = (old.generation + 1) >>> 0;
    if (isZero(newKey)) return { ...UNREGISTERED, generation };
    return { ...old, isRegistered: true, keyHigh: newKey.high, keyLow: newKey.low, generation };
  }
  if (action > ReserveAction.PreemptAndAbort) return Sense.InvalidFieldInCdb;
  if (!isKeyOf(old, key)) return Outcome.ReservationConflict;
  const generation = (old.generation + 1) >>> 0;
  if (action === ReserveAction.Clear) return { ...UNREGISTERED, generation };
  const type = scopeAndType & TYPE_MASK;
  if (scopeAndType >> SCOPE_SHIFT !== 0 || !TYPES.includes(type)) return Sense.InvalidFieldInCdb;
  switch (action) {
    case ReserveAction.Reserve:
      return old.type === 0 || old.type === type ? { ...old, type } : Outcome.ReservationConflict;
    case ReserveAction.Release:
      if (old.type === 0) return old;
      return old.type === type ? { ...old, type: 0 } : Sense.InvalidRelease;
    default:
      // Preempting: the one registration that can be named is the guest's own.
      return isKeyOf(old, newKey) ? { ...old, type, generation } : Outcome.ReservationConflict;
  }
}

const UNREGISTERED = { isRegistered: false, keyHigh: 0, keyLow: 0, type: 0 };

const isZero = ({ high, low }: Key): boolean => high === 0 && low === 0;

function isKeyOf({ isRegistered, keyHigh, keyLow }: Reservation, { high, low }: Key): boolean {
  return isRegistered && keyHigh === high && keyLow === low;
}

const keyOf = ({ keyHigh, keyLow }: Reservation): { keyHigh: number; keyLow: number } => ({ keyHigh, keyLow });
