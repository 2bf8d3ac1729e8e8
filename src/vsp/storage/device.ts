/**
 * A synthetic SCSI controller with up to 64 disks and DVD drives, for `hv_storvsc` [Linux drivers/scsi/storvsc_drv.c].
 * The guest agrees on a version, asks for limits and for more channels, and then sends SCSI commands whose data lies in
 * its pages. In a turn, requests are taken from every channel until there are no more (or the tables are full), each
 * acted upon at once and in order; then the disks settle, and then the guest is told of all of them.
 *
 * A request that has to wait (for a limit, for room on the host) stays in its table, and so do later ones for that
 * unit; the others pass.
 */

import { ClassId, type Guid } from '../../protocols/vmbus/class-ids.ts';
import { OfferFlag } from '../../protocols/vmbus/message-table.ts';
import { GpaDirectHeader, PacketDescriptor, PacketType } from '../../protocols/vmbus/ring-layout.ts';
import { Sense } from '../../protocols/scsi.ts';
import {
  ScsiRequest, SrbStatus, StorvscOperation, StorvscStatus, VSTOR_BODY, VSTOR_PACKET_SIZE, VstorPacket,
} from '../../protocols/storvsc.ts';
import { type Channel, SendResult } from '../../vmbus/channel.ts';
import type { ChannelService } from '../../vmbus/offer.ts';
import type { Service } from '../service.ts';
import { finishScsi } from './answer.ts';
import { executeScsi } from './execute.ts';
import { Handshake } from './handshake.ts';
import { NO_REQUEST, RequestQueue } from './request-queue.ts';
import { MAX_REQUEST_BYTES, type RequestTable } from './request-table.ts';
import { restoreStorage, saveStorage, type StorageMemory, type StorageState } from './state.ts';
import { type GuestRam, type MemoryWritten, Transfer } from './transfer.ts';
import { Outcome, type Unit } from './unit.ts';
import { UnitRequest } from './unit-request.ts';
import { MAX_UNITS, UnitCondition } from './unit-state.ts';

/** How often a host without room is asked again. */
const ROOM_MS = 500;

export interface StorageControllerOptions {
  readonly instanceId: Guid;
  readonly memory: GuestRam;
  /** REQUEST_TABLE_BYTES for each channel that the guest may have. */
  readonly requests: readonly SharedArrayBuffer[];
  /** UNIT_STATES_BYTES, of which the units have theirs. */
  readonly unitStates: SharedArrayBuffer;
  /** By logical unit number. */
  readonly units: readonly (Unit | undefined)[];
  readonly onMemoryWritten: MemoryWritten;
  /** For limits. */
  readonly nowMs: () => number;
  /** The guest wants so many channels beside the first: they are to be offered. */
  readonly onSubChannels?: (count: number) => void;
  /** The host has no room for a unit any more, or has room again. */
  readonly onCondition?: (lun: number, condition: UnitCondition) => void;
}

export class StorageController implements Service<StorageState> {
  readonly description;
  readonly maxPacketBytes = MAX_REQUEST_BYTES;
  readonly units: (Unit | undefined)[];
  readonly #options: StorageControllerOptions;
  readonly #queues: readonly RequestQueue[];
  readonly #handshake: Handshake;
  readonly #request: UnitRequest;
  /** Units whose requests wait until the next turn, by number. */
  readonly #waits = new Uint8Array(MAX_UNITS);
  #subChannels = 0;
  #wantsRescan = false;
  #dueMs = Infinity;

  constructor(options: StorageControllerOptions) {
    this.#options = options;
    this.description = scsiOffer(options.instanceId);
    this.units = Array.from({ length: MAX_UNITS }, (_, lun) => options.units[lun]);
    this.#queues = options.requests.map((buffer, index) => new RequestQueue(index, buffer));
    this.#handshake = new Handshake({
      ledger: () => this.#queues[0]?.channel?.ledger,
      maxSubChannels: options.onSubChannels === undefined ? 0 : this.#queues.length - 1,
      onSubChannels: (count) => this.#offerSubChannels(count),
    });
    this.#request = new UnitRequest(new Transfer(options));
  }

  /** When there is to be another turn though nobody has signalled, by the clock of the options. */
  get dueMs(): number {
    return this.#dueMs;
  }

  opened(channel: Channel, index = 0): void {
    this.#queues[index]?.open(channel);
  }

  signalled(): void {
    this.#turn(this.#queues.slice(0, 1));
  }

  /** A turn of every channel. */
  turn(): void {
    this.#turn(this.#queues);
  }

  closed(index = 0): void {
    if (index === 0) this.#subChannels = 0;
    this.#queues[index]?.close();
    if (this.#queues.some(({ channel }) => channel !== undefined)) return;
    this.units.forEach((unit, lun) => {
      unit?.settle();
      if (unit !== undefined) this.#setCondition(unit, lun, UnitCondition.Fine);
    });
  }

  /** The service of another channel of the guest's. */
  subChannel(index: number): ChannelService {
    return {
      description: this.description,
      maxPacketBytes: this.maxPacketBytes,
      opened: (channel) => this.opened(channel, index),
      signalled: () => this.#turn(this.#queues.slice(index, index + 1)),
      closed: () => this.closed(index),
    };
  }

  /** Units were added or taken away: the guest looks again. */
  unitsChanged(): void {
    this.#wantsRescan = true;
  }

  saveState(): StorageState {
    return saveStorage(this.#memory, this.#subChannels);
  }

  restoreState(state: StorageState): void {
    restoreStorage(state, this.#memory);
    this.#offerSubChannels(state.subChannels);
  }

  inspect(): object {
    return {
      ...this.#handshake.inspect(),
      channels: this.#queues.filter(({ channel }) => channel !== undefined).length,
      unanswered: this.#queues.reduce((sum, { table }) => sum + table.count, 0),
      units: this.units.map((unit, lun) => unit && { lun, ...unit.inspect() }).filter((unit) => unit !== undefined),
    };
  }

  get #memory(): StorageMemory {
    return { tables: this.#queues.map(({ table }) => table), unitStates: this.#options.unitStates };
  }

  #offerSubChannels(count: number): void {
    this.#subChannels = count;
    if (count > 0) this.#options.onSubChannels?.(count);
  }

  #turn(queues: readonly RequestQueue[]): void {
    this.#request.nowMs = this.#options.nowMs();
    this.#dueMs = Infinity;
    this.#waits.fill(0);
    let taken: number;
    do {
      taken = 0;
      for (const queue of queues) taken += this.#serve(queue);
      this.#settle();
      for (const queue of queues) queue.answer();
    } while (taken > 0);
    for (let lun = 0; lun < this.units.length; lun++) {
      const unit = this.units[lun];
      if (unit !== undefined && this.#waits[lun] === 0) this.#setCondition(unit, lun, UnitCondition.Fine);
    }
    if (this.#wantsRescan) this.#askForRescan();
  }

  /** Acts on what waits and on what is new; how many are new. */
  #serve(queue: RequestQueue): number {
    const { table } = queue;
    // What another thread has left waits until its channel is open here.
    if (queue.channel === undefined) return 0;
    for (let i = 0; i < table.count; i++) {
      const slot = table.slotAt(i);
      if (!table.isActed(slot)) this.#act(queue, slot);
    }
    let taken = 0;
    for (let slot = queue.take(); slot !== NO_REQUEST; slot = queue.take()) {
      taken++;
      this.#act(queue, slot);
    }
    return taken;
  }

  /** A disk that does not settle fails every write since it last did. */
  #settle(): void {
    for (let lun = 0; lun < this.units.length; lun++) {
      const unit = this.units[lun];
      if (unit === undefined || !unit.isUnsettled) continue;
      const sense = unit.settle();
      if (sense === Outcome.HostFull) {
        this.#wait(unit, lun, sense);
        continue;
      }
      for (const { table, channel } of this.#queues) {
        if (channel === undefined) continue;
        for (let i = 0; i < table.count; i++) {
          const slot = table.slotAt(i);
          if (table.writtenUnit(slot) !== lun || !table.isActed(slot)) continue;
          if (sense !== Sense.None) finishScsi(table.view, table.answer(slot), sense, 0);
          table.setWrittenUnit(slot, -1);
        }
      }
    }
  }

  // Hot path: one a request.
  /** Acts on a request of a table and makes its answer, or leaves it for a later turn. */
  #act(queue: RequestQueue, slot: number): void {
    const { table } = queue;
    const { view } = table;
    const answer = table.answer(slot);
    const payload = table.packet(slot) + table.dataOffset(slot);
    const size = table.length(slot) - table.dataOffset(slot);
    let status: number = StorvscStatus.InvalidParameter;
    if (size >= VSTOR_PACKET_SIZE) {
      for (let i = VSTOR_BODY; i < VSTOR_PACKET_SIZE; i++) view.setUint8(answer + i, view.getUint8(payload + i));
      const operation = VstorPacket.operation.get(view, payload);
      status = operation === StorvscOperation.ExecuteSrb
        ? this.#execute(queue, slot) : this.#control(queue, operation, answer);
      if (status === LATER) return;
    } else {
      table.answerBytes(slot).fill(0);
    }
    complete(table, slot, status);
  }

  /** Everything but SCSI commands; what the channels have in common is agreed on over the first. */
  #control(queue: RequestQueue, operation: number, answer: number): number {
    if (RESETS.includes(operation)) {
      this.#abortWaiting();
      return StorvscStatus.Success;
    }
    if (queue.index !== 0) return StorvscStatus.InvalidDeviceRequest;
    return this.#handshake.carryOut(operation, queue.table.view, answer + VSTOR_BODY);
  }

  /** Whatever the guest resets: requests that wait have done nothing, and the guest asks again. */
  #abortWaiting(): void {
    for (const { table } of this.#queues) {
      for (let i = 0; i < table.count; i++) {
        const slot = table.slotAt(i);
        const operation = table.packet(slot) + table.dataOffset(slot);
        if (table.isActed(slot)) continue;
        if (VstorPacket.operation.get(table.view, operation) !== StorvscOperation.ExecuteSrb) continue;
        const answer = table.answer(slot);
        ScsiRequest.srbStatus.set(table.view, answer + VSTOR_BODY, SrbStatus.Aborted);
        ScsiRequest.transferLength.set(table.view, answer + VSTOR_BODY, 0);
        complete(table, slot, StorvscStatus.Success);
      }
    }
  }

  /** A SCSI command; a status, or LATER. */
  #execute(queue: RequestQueue, slot: number): number {
    const { table } = queue;
    const { view } = table;
    const answer = table.answer(slot);
    // The command is read from the packet: in the answer, sense data takes its place.
    const at = table.packet(slot) + table.dataOffset(slot) + VSTOR_BODY;
    if (!this.#takeTransfer(queue, slot)) {
      ScsiRequest.srbStatus.set(view, answer + VSTOR_BODY, SrbStatus.InvalidRequest);
      ScsiRequest.transferLength.set(view, answer + VSTOR_BODY, 0);
      return StorvscStatus.InvalidParameter;
    }
    const lun = ScsiRequest.lun.get(view, at);
    const unit = this.units[lun];
    if (this.#waits[lun] === 1) return LATER;
    this.#request.queue = queue.index;
    this.#request.sequence = table.sequence(slot);
    const outcome = executeScsi(this.units, this.#request, view, at);
    if (unit !== undefined) {
      if (outcome === Outcome.Later || outcome === Outcome.HostFull) {
        this.#wait(unit, lun, outcome);
        return LATER;
      }
      if (unit.isUnsettled) table.setWrittenUnit(slot, lun);
    }
    finishScsi(view, answer, outcome, this.#request.moved);
    return StorvscStatus.Success;
  }

  /** Finds the data of a SCSI command; false when it makes no sense. */
  #takeTransfer({ table }: RequestQueue, slot: number): boolean {
    const { transfer } = this.#request;
    transfer.clear();
    if (!this.#handshake.isReady) return false;
    if (table.packetType(slot) !== PacketType.GpaDirect) return true;
    const header = table.packet(slot) + PacketDescriptor.$size;
    const end = table.packet(slot) + table.dataOffset(slot);
    return end - header >= GpaDirectHeader.$size && transfer.take(table.view, header, end);
  }

  /** Nothing more of this unit in this turn. */
  #wait(unit: Unit, lun: number, outcome: number): void {
    const isFull = outcome === Outcome.HostFull;
    this.#waits[lun] = 1;
    this.#dueMs = Math.min(this.#dueMs, this.#request.nowMs + (isFull ? ROOM_MS : this.#request.waitMs));
    if (isFull) this.#setCondition(unit, lun, UnitCondition.HostFull);
  }

  #setCondition(unit: Unit, lun: number, condition: UnitCondition): void {
    if (unit.state.condition === condition) return;
    unit.state.condition = condition;
    this.#options.onCondition?.(lun, condition);
  }

  #askForRescan(): void {
    const channel = this.#queues[0]?.channel;
    if (channel === undefined || !this.#handshake.isReady) {
      // A guest that is not there yet looks by itself.
      this.#wantsRescan = false;
      return;
    }
    const packet = new Uint8Array(VSTOR_PACKET_SIZE);
    VstorPacket.operation.set(new DataView(packet.buffer), 0, StorvscOperation.EnumerateBus);
    if (channel.send(packet) === SendResult.Sent) this.#wantsRescan = false;
  }
}

/** No status: the request stays where it is. */
const LATER = -1;
const RESETS: readonly number[] = [
  StorvscOperation.ResetBus, StorvscOperation.ResetAdapter, StorvscOperation.ResetLun,
];

/** The answer is made but for its head: that, too. */
function complete(table: RequestTable, slot: number, status: number): void {
  const { view } = table;
  const answer = table.answer(slot);
  VstorPacket.flags.set(view, answer, 0);
  VstorPacket.operation.set(view, answer, StorvscOperation.CompleteIo);
  VstorPacket.status.set(view, answer, status);
  table.setActed(slot);
}

/** The description of a controller. */
export function scsiOffer(instanceId: Guid): { classId: Guid; instanceId: Guid; flags: number } {
  return { classId: ClassId.Scsi, instanceId, flags: OfferFlag.EnumerateDeviceInterface };
}
