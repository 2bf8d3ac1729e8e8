/**
 * A synthetic SCSI controller with up to 64 disks, for `hv_storvsc` [Linux drivers/scsi/storvsc_drv.c]. The guest
 * agrees on a version, asks for limits, and then sends SCSI commands whose data lies in its pages. In a turn, requests
 * are taken until there are no more (or the table is full), each acted upon at once and in order; then the disks
 * settle, and then the guest is told of all of them.
 */

import { ClassId, type Guid } from '../../protocols/vmbus/class-ids.ts';
import { OfferFlag } from '../../protocols/vmbus/message-table.ts';
import { GpaDirectHeader, PacketDescriptor, PacketFlag, PacketType } from '../../protocols/vmbus/ring-layout.ts';
import { ScsiStatus, Sense, SENSE_SIZE } from '../../protocols/scsi.ts';
import {
  ScsiRequest, SRB_AUTOSENSE_VALID, SrbStatus, StorvscOperation, StorvscProperties, StorvscProtocolVersion,
  StorvscStatus,
  StorvscVersion, VSTOR_BODY, VSTOR_PACKET_SIZE, VstorPacket,
} from '../../protocols/storvsc.ts';
import type { Channel } from '../../vmbus/channel.ts';
import { SendResult } from '../../vmbus/channel.ts';
import { expectStateVersion, type Service } from '../service.ts';
import { executeScsi } from './execute.ts';
import { type LogicalUnit, putSense } from './logical-unit.ts';
import { MAX_REQUEST_BYTES, RequestTable } from './request-table.ts';
import { STORAGE_STATE_VERSION, type StorageState } from './state.ts';
import { type GuestRam, MAX_TRANSFER_BYTES, type MemoryWritten, Transfer } from './transfer.ts';
import { UnitRequest } from './unit-request.ts';

export const MAX_UNITS = 64;

/** How far the guest is; kept in the channel's ledger, so that a service that starts again knows. */
const Phase = { New: 0, Begun: 1, Negotiated: 2, Ready: 3 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];
const PHASE_PARAMETER = 0;
const VERSION_PARAMETER = 1;
const VERSIONS: readonly number[] = Object.values(StorvscVersion);

export interface StorageControllerOptions {
  readonly instanceId: Guid;
  readonly memory: GuestRam;
  /** REQUEST_TABLE_BYTES of its own. */
  readonly requests: SharedArrayBuffer;
  /** By logical unit number. */
  readonly units: readonly (LogicalUnit | undefined)[];
  readonly onMemoryWritten: MemoryWritten;
}

export class StorageController implements Service<StorageState> {
  readonly description;
  readonly maxPacketBytes = MAX_REQUEST_BYTES;
  readonly units: (LogicalUnit | undefined)[];
  readonly #table: RequestTable;
  readonly #request: UnitRequest;
  #channel: Channel | undefined;

  constructor(options: StorageControllerOptions) {
    this.description = scsiOffer(options.instanceId);
    this.units = options.units.slice(0, MAX_UNITS);
    this.#table = new RequestTable(options.requests);
    this.#request = new UnitRequest(new Transfer(options));
  }

  opened(channel: Channel): void {
    this.#channel = channel;
    if (!channel.isRestored) {
      this.#table.clear(channel.packet.position);
      return;
    }
    this.#table.forgetSent(channel.sendPosition);
    const { oldest, next } = this.#table;
    for (let number = oldest; number !== next; number = (number + 1) >>> 0) {
      // Answered, perhaps, but not settled: a write is done again, and everything in the same order.
      this.#act(number);
    }
  }

  signalled(): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    for (;;) {
      if (!this.#answerAll(channel)) return;
      while (!this.#table.isFull && channel.receive()) {
        this.#act(this.#table.add(channel.packet, (channel.packet.flags & PacketFlag.CompletionRequested) !== 0));
      }
      if (this.#table.isEmpty) return;
    }
  }

  closed(): void {
    this.#channel = undefined;
    this.#table.clear();
    for (const unit of this.units) unit?.settle();
  }

  saveState(): StorageState {
    return { version: STORAGE_STATE_VERSION, requests: this.#table.save() };
  }

  restoreState(state: StorageState): void {
    expectStateVersion('storage', state.version, STORAGE_STATE_VERSION);
    this.#table.restore(state.requests);
  }

  inspect(): object {
    return {
      phase: Object.keys(Phase)[this.#phase],
      version: (this.#channel?.ledger.parameter(VERSION_PARAMETER) ?? 0).toString(16),
      unanswered: this.#table.next - this.#table.oldest,
      units: this.units.map((unit, lun) => unit && {
        lun, path: unit.disk.name, readOnly: unit.disk.isReadOnly, ...unit.counters,
      }).filter((unit) => unit !== undefined),
    };
  }

  get #phase(): Phase {
    return (this.#channel?.ledger.parameter(PHASE_PARAMETER) ?? Phase.New) as Phase;
  }

  set #phase(phase: Phase) {
    this.#channel?.ledger.setParameter(PHASE_PARAMETER, phase);
  }

  /** Answers in order, once the disks have settled. False: there is no room (the guest will signal), or no guest. */
  #answerAll(channel: Channel): boolean {
    this.#settle();
    const table = this.#table;
    while (!table.isEmpty) {
      const number = table.oldest;
      if (table.wantsAnswer(number)) {
        table.beginSending(channel.sendPosition);
        const result = channel.complete(
          table.transactionLow(number), table.transactionHigh(number), table.answerBytes(number));
        if (result !== SendResult.Sent) {
          table.stopSending();
          return false;
        }
      }
      table.removeOldest();
    }
    return true;
  }

  /** A disk that does not settle fails every write since it last did. */
  #settle(): void {
    for (let lun = 0; lun < this.units.length; lun++) {
      const unit = this.units[lun];
      if (unit === undefined || !unit.isUnsettled) continue;
      const sense = unit.settle();
      const { oldest, next } = this.#table;
      for (let number = oldest; number !== next; number = (number + 1) >>> 0) {
        if (this.#table.writtenUnit(number) !== lun) continue;
        this.#table.setWrittenUnit(number, -1);
        if (sense !== Sense.None) finishScsi(this.#table.view, this.#table.answer(number), sense, 0);
      }
    }
  }

  // Hot path: one a request.
  /** Acts on a request of the table and makes its answer. */
  #act(number: number): void {
    const table = this.#table;
    const { view } = table;
    const answer = table.answer(number);
    const payload = table.packet(number) + table.dataOffset(number);
    const size = table.length(number) - table.dataOffset(number);
    const bytes = table.answerBytes(number);
    bytes.fill(0);
    let status: number = StorvscStatus.InvalidParameter;
    if (size >= VSTOR_PACKET_SIZE) {
      for (let i = VSTOR_BODY; i < VSTOR_PACKET_SIZE; i++) view.setUint8(answer + i, view.getUint8(payload + i));
      const operation = VstorPacket.operation.get(view, payload);
      status = operation === StorvscOperation.ExecuteSrb
        ? this.#execute(number, answer) : this.#control(operation, view, answer);
    }
    VstorPacket.operation.set(view, answer, StorvscOperation.CompleteIo);
    VstorPacket.status.set(view, answer, status);
  }

  /** Everything but SCSI commands; the body of the answer is the request's, to be changed. */
  #control(operation: number, view: DataView, answer: number): number {
    const body = answer + VSTOR_BODY;
    switch (operation) {
      case StorvscOperation.BeginInitialization:
        this.#phase = Phase.Begun;
        return StorvscStatus.Success;
      case StorvscOperation.QueryProtocolVersion: {
        if (this.#phase === Phase.New) return StorvscStatus.InvalidDeviceRequest;
        const version = StorvscProtocolVersion.version.get(view, body);
        if (!VERSIONS.includes(version)) return StorvscStatus.RevisionMismatch;
        this.#channel?.ledger.setParameter(VERSION_PARAMETER, version);
        this.#phase = Phase.Negotiated;
        return StorvscStatus.Success;
      }
      case StorvscOperation.QueryProperties:
        if (this.#phase < Phase.Negotiated) return StorvscStatus.InvalidDeviceRequest;
        StorvscProperties.encode(view, body, {
          reserved: 0, maxSubChannels: 0, reserved1: 0, flags: 0, maxTransferBytes: MAX_TRANSFER_BYTES,
          reserved2: new Uint8Array(8),
        });
        return StorvscStatus.Success;
      case StorvscOperation.EndInitialization:
        if (this.#phase < Phase.Negotiated) return StorvscStatus.InvalidDeviceRequest;
        this.#phase = Phase.Ready;
        return StorvscStatus.Success;
      // Requests are answered in the turn in which they come: there is nothing left to reset.
      case StorvscOperation.ResetBus:
      case StorvscOperation.ResetAdapter:
      case StorvscOperation.ResetLun:
        return StorvscStatus.Success;
      default:
        return StorvscStatus.InvalidDeviceRequest;
    }
  }

  /** A SCSI command. */
  #execute(number: number, answer: number): number {
    const table = this.#table;
    const { view } = table;
    const body = answer + VSTOR_BODY;
    const { transfer } = this.#request;
    const packet = table.packet(number);
    transfer.clear();
    let isRight = this.#phase === Phase.Ready;
    if (isRight && table.packetType(number) === PacketType.GpaDirect) {
      const header = packet + PacketDescriptor.$size;
      const end = packet + table.dataOffset(number);
      isRight = end - header >= GpaDirectHeader.$size && transfer.take(view, header, end);
    }
    if (!isRight) {
      ScsiRequest.srbStatus.set(view, body, SrbStatus.InvalidRequest);
      ScsiRequest.transferLength.set(view, body, 0);
      return StorvscStatus.InvalidParameter;
    }
    // The command is read from the packet: in the answer, sense data takes its place.
    const request = packet + table.dataOffset(number) + VSTOR_BODY;
    const sense = executeScsi(this.units, this.#request, view, request);
    if (sense < 0) {
      ScsiRequest.srbStatus.set(view, body, SrbStatus.InvalidLun);
      ScsiRequest.transferLength.set(view, body, 0);
      return StorvscStatus.Success;
    }
    const lun = ScsiRequest.lun.get(view, request);
    if (this.units[lun]?.isUnsettled === true) table.setWrittenUnit(number, lun);
    finishScsi(view, answer, sense, this.#request.moved);
    return StorvscStatus.Success;
  }
}

/** Completes the answer to a SCSI command. */
function finishScsi(view: DataView, answer: number, sense: number, moved: number): void {
  const body = answer + VSTOR_BODY;
  ScsiRequest.transferLength.set(view, body, moved);
  if (sense === Sense.None) {
    ScsiRequest.srbStatus.set(view, body, SrbStatus.Success);
    ScsiRequest.scsiStatus.set(view, body, ScsiStatus.Good);
    ScsiRequest.senseLength.set(view, body, 0);
    return;
  }
  ScsiRequest.srbStatus.set(view, body, SrbStatus.Error | SRB_AUTOSENSE_VALID);
  ScsiRequest.scsiStatus.set(view, body, ScsiStatus.CheckCondition);
  ScsiRequest.senseLength.set(view, body, SENSE_SIZE);
  putSense(view, body + ScsiRequest.cdb.offset, sense);
}

/** The description of a controller. */
export function scsiOffer(instanceId: Guid): { classId: Guid; instanceId: Guid; flags: number } {
  return { classId: ClassId.Scsi, instanceId, flags: OfferFlag.EnumerateDeviceInterface };
}
