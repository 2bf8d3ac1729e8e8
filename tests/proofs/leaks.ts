/**
 * Whether something is left over, on either side, by what a guest does again and again: offers, page lists and
 * connections must be as many as before, memory may not have grown beyond a bound.
 */

import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { MachineGuest } from '../machine-guest.ts';
import { residentBytesBelow } from './host-process.ts';

const COMMAND_MS = 5 * 60_000;
const MIB = 2 ** 20;
/** Much less than the rings of one channel for each of a hundred times. */
const MOST_GROWTH_BYTES = 32 * MIB;

/** What the bus has for its guest. */
export interface BusCounts {
  readonly offers: number;
  readonly open: number;
  readonly pageLists: number;
  readonly connections: number;
}

export function busCounts({ machine }: MachineGuest): BusCounts {
  const { bus, sockets } = machine.vmbus;
  const offers = bus.offers.all();
  return {
    offers: offers.length, open: offers.filter(({ phase }) => phase === 'open').length,
    pageLists: bus.gpadls.count, connections: sockets.connectionCount,
  };
}

/** Waits until every offer is open. */
export async function allOpen(guest: MachineGuest, offers: number): Promise<void> {
  const isThere = (): boolean => {
    const counts = busCounts(guest);
    return counts.offers === offers && counts.open === offers;
  };
  await guest.until(`${offers} channels are open`, isThere, COMMAND_MS);
}

export interface Memory {
  /** What the guest does not use. */
  readonly guestFreeBytes: number;
  /** What this process, with the guest in it, uses beside the guest's memory. */
  readonly hostBytes: number;
}

export async function memoryOf(guest: MachineGuest, guestBytes: number): Promise<Memory> {
  // Garbage is collected when V8 pleases, which may be tens of megabytes later.
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const text = await guest.run('sync; echo 3 > /proc/sys/vm/drop_caches; cat /proc/meminfo', COMMAND_MS);
  const guestFreeBytes = Number(/^MemFree:\s+(\d+) kB$/m.exec(text)?.[1]) * 1024;
  return { guestFreeBytes, hostBytes: residentBytesBelow(guestBytes) };
}

/** Fails when either side's memory has grown; says by how much it did, in MB. */
export function growth(before: Memory, after: Memory): string {
  const guest = before.guestFreeBytes - after.guestFreeBytes;
  const host = after.hostBytes - before.hostBytes;
  const text = `memory grew by ${(guest / 1e6).toFixed(1)} MB in the guest, ${(host / 1e6).toFixed(1)} MB in the host`;
  // V8 keeps some of the room that it has once needed.
  assert.ok(guest < MOST_GROWTH_BYTES && host < 2 * MOST_GROWTH_BYTES, text);
  return text;
}
