/** Room that a guest gives back or fills with one pattern: UNMAP, WRITE SAME, GET LBA STATUS. */

import {
  CdbFlag, LbaStatus, LbaStatusDescriptor, LbaStatusHeader, ScsiCommand, Sense, UnmapDescriptor, UnmapHeader,
} from '../../protocols/scsi.ts';
import type { StorageExtent } from './disk-port.ts';
import { MAX_UNMAP_BYTES, MAX_UNMAP_DESCRIPTORS, MAX_WRITE_SAME_BYTES } from './inquiry.ts';
import type { LogicalUnit } from './logical-unit.ts';
import type { UnitRequest } from './unit-request.ts';

const PARAMETER_BYTES_MAX = UnmapHeader.$size + MAX_UNMAP_DESCRIPTORS * UnmapDescriptor.$size;
const STATUS_DESCRIPTORS_MAX = 64;

export function unmap(request: UnitRequest, unit: LogicalUnit): number {
  const { transfer, scratch, scratchView: view } = request;
  if (!unit.isThin) return Sense.InvalidOperationCode;
  if (unit.disk.isReadOnly) return Sense.WriteProtected;
  const listLength = request.cdb.getUint16(request.at + 7);
  if (listLength === 0) return Sense.None;
  if (listLength > PARAMETER_BYTES_MAX) return Sense.InvalidFieldInParameters;
  const length = transfer.get(scratch, listLength);
  if (length < UnmapHeader.$size) return Sense.ParameterListLengthError;
  request.moved = length;
  const descriptorLength = UnmapHeader.descriptorLength.get(view, 0);
  if (UnmapHeader.$size + descriptorLength > length || descriptorLength % UnmapDescriptor.$size !== 0) {
    return Sense.InvalidFieldInParameters;
  }
  const { logicalSectorBytes } = unit.disk.geometry;
  const end = UnmapHeader.$size + descriptorLength;
  let bytes = 0;
  for (let at = UnmapHeader.$size; at < end; at += UnmapDescriptor.$size) {
    const blocks = UnmapDescriptor.blocks.get(view, at);
    bytes += blocks * logicalSectorBytes;
    if (!unit.has(UnmapDescriptor.address.get(view, at), blocks)) return Sense.AddressOutOfRange;
  }
  if (bytes > MAX_UNMAP_BYTES) return Sense.InvalidFieldInParameters;
  for (let at = UnmapHeader.$size; at < end; at += UnmapDescriptor.$size) {
    const sense = clear(unit, UnmapDescriptor.address.get(view, at), UnmapDescriptor.blocks.get(view, at));
    if (sense !== Sense.None) return sense;
  }
  return Sense.None;
}

export function writeSame(request: UnitRequest, unit: LogicalUnit): number {
  request.setBlocks();
  const { transfer, scratch, address, blocks, flags } = request;
  const { logicalSectorBytes } = unit.disk.geometry;
  const isNoData = request.operation === ScsiCommand.WriteSame16 && (flags & CdbFlag.NoDataOut) !== 0;
  if ((flags & CdbFlag.Anchor) !== 0 || (isNoData && (flags & CdbFlag.Unmap) === 0)) return Sense.InvalidFieldInCdb;
  if (blocks === 0 || blocks * logicalSectorBytes > MAX_WRITE_SAME_BYTES) return Sense.InvalidFieldInCdb;
  if (!unit.has(address, blocks)) return Sense.AddressOutOfRange;
  if (unit.disk.isReadOnly) return Sense.WriteProtected;
  if (isNoData) return clear(unit, address, blocks);
  if (transfer.get(scratch, logicalSectorBytes) < logicalSectorBytes) return Sense.InvalidFieldInCdb;
  request.moved = logicalSectorBytes;
  if (!scratch.subarray(0, logicalSectorBytes).some((byte) => byte !== 0)) return clear(unit, address, blocks);
  return repeat(request, unit, logicalSectorBytes);
}

/** Writes the sector at the start of the scratch buffer all over the request's blocks. */
function repeat({ scratch, address, blocks }: UnitRequest, unit: LogicalUnit, sectorBytes: number): number {
  const whole = Math.min(scratch.length, blocks * sectorBytes);
  for (let at = sectorBytes; at < whole; at += sectorBytes) scratch.copyWithin(at, 0, sectorBytes);
  unit.isUnsettled = true;
  try {
    for (let done = 0; done < blocks * sectorBytes; done += whole) {
      const length = Math.min(whole, blocks * sectorBytes - done);
      unit.disk.writeSync(scratch, 0, length, address * sectorBytes + done);
    }
  } catch (error) {
    return unit.failure(error, Sense.WriteError);
  }
  return Sense.None;
}

function clear(unit: LogicalUnit, address: number, blocks: number): number {
  unit.state.count('discards');
  const { logicalSectorBytes } = unit.disk.geometry;
  unit.isUnsettled = true;
  try {
    unit.disk.discardSync(address * logicalSectorBytes, blocks * logicalSectorBytes);
  } catch (error) {
    return unit.failure(error, Sense.WriteError);
  }
  return Sense.None;
}

export function lbaStatus(request: UnitRequest, unit: LogicalUnit): number {
  request.setBlocks();
  const { address, scratch, scratchView: view, cdb, at } = request;
  const { logicalSectorBytes, sizeBytes } = unit.disk.geometry;
  const allocation = cdb.getUint32(at + 10);
  if (!unit.has(address, 1)) return Sense.AddressOutOfRange;
  if (allocation < LbaStatusHeader.$size + LbaStatusDescriptor.$size) return Sense.InvalidFieldInCdb;
  const room = Math.floor((allocation - LbaStatusHeader.$size) / LbaStatusDescriptor.$size);
  scratch.fill(0, 0, LbaStatusHeader.$size + STATUS_DESCRIPTORS_MAX * LbaStatusDescriptor.$size);
  const extent: StorageExtent = { state: 'data', lengthBytes: 0 };
  let length: number = LbaStatusHeader.$size;
  let position = address * logicalSectorBytes;
  try {
    for (let i = 0; i < Math.min(room, STATUS_DESCRIPTORS_MAX) && position < sizeBytes; i++) {
      unit.disk.extentAt(position, extent);
      const blocks = Math.min(Math.max(1, Math.floor(extent.lengthBytes / logicalSectorBytes)), 0xffff_ffff);
      LbaStatusDescriptor.encode(view, length, {
        address: position / logicalSectorBytes,
        blocks,
        // What a child does not hold itself may be in its parent.
        status: extent.state === 'zero' ? LbaStatus.Deallocated : LbaStatus.Mapped,
      });
      length += LbaStatusDescriptor.$size;
      position += blocks * logicalSectorBytes;
    }
  } catch (error) {
    return unit.failure(error, Sense.ReadError);
  }
  LbaStatusHeader.length.set(view, 0, length - 4);
  return request.reply(length, allocation);
}
