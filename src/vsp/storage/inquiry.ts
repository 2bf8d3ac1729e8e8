/** What a disk says of itself: INQUIRY with its pages, and READ CAPACITY. */

import {
  BlockCharacteristics, BlockLimits, Capacity10, Capacity16, CapacityProvisioning, INQUIRY_VERSION_SPC3, InquiryData,
  NaaDesignator, NOT_ROTATING, PERIPHERAL_ABSENT, PERIPHERAL_DISK, PERIPHERAL_DVD, Provisioning, ProvisioningFlag,
  ProvisioningType, REMOVABLE, Sense, VitalPage, VitalPageHeader,
} from '../../protocols/scsi.ts';
import type { LogicalUnit } from './logical-unit.ts';
import { MAX_TRANSFER_BYTES } from './transfer.ts';
import type { UnitRequest } from './unit-request.ts';

/** One UNMAP or WRITE SAME covers no more, so that it ends soon. */
export const MAX_UNMAP_BYTES = 2 ** 30;
export const MAX_WRITE_SAME_BYTES = 2 ** 26;
export const MAX_UNMAP_DESCRIPTORS = 256;

const CODE_SET_BINARY = 1;
const DESIGNATOR_NAA = 3;
const RESPONSE_FORMAT = 2;
const COMMAND_QUEUE = 0x02;
const WRITE_SAME_NOT_ZERO = 1;
const UNMAP_ALIGNMENT_VALID = 0x8000_0000;
const SUPPORTED_PAGES = Object.values(VitalPage);

export type Peripheral = 'disk' | 'dvd' | 'absent';
const PERIPHERALS: Readonly<Record<Peripheral, number>> = {
  disk: PERIPHERAL_DISK, dvd: PERIPHERAL_DVD, absent: PERIPHERAL_ABSENT,
};

/** Standard data of Hyper-V's disk or DVD drive, or of nothing. */
export function inquiryOf(request: UnitRequest, peripheral: Peripheral): number {
  const { scratch, scratchView: view, cdb, at } = request;
  if (peripheral !== 'absent' && cdb.getUint8(at + 2) !== 0) return Sense.InvalidFieldInCdb;
  scratch.fill(0, 0, InquiryData.$size);
  InquiryData.encode(view, 0, {
    peripheral: PERIPHERALS[peripheral],
    removable: peripheral === 'dvd' ? REMOVABLE : 0,
    version: INQUIRY_VERSION_SPC3,
    responseFormat: RESPONSE_FORMAT,
    additionalLength: InquiryData.$size - 5,
    flags7: COMMAND_QUEUE,
    vendor: 'Msft',
    product: peripheral === 'dvd' ? 'Virtual DVD-ROM' : 'Virtual Disk',
    revision: '1.0',
  });
  return request.reply(InquiryData.$size, cdb.getUint16(at + 3));
}

export function vitalPage(request: UnitRequest, unit: LogicalUnit): number {
  const { scratch, scratchView: view } = request;
  const page = request.cdb.getUint8(request.at + 2);
  scratch.fill(0, 0, 256);
  let length = 0;
  switch (page) {
    case VitalPage.Supported:
      scratch.set(SUPPORTED_PAGES, VitalPageHeader.$size);
      length = VitalPageHeader.$size + SUPPORTED_PAGES.length;
      break;
    case VitalPage.SerialNumber: {
      const serial = Buffer.from(Buffer.from(unit.identity).toString('hex'), 'latin1');
      scratch.set(serial, VitalPageHeader.$size);
      length = VitalPageHeader.$size + serial.length;
      break;
    }
    case VitalPage.Identification:
      NaaDesignator.encode(view, VitalPageHeader.$size, {
        codeSet: CODE_SET_BINARY, type: DESIGNATOR_NAA, length: 16, designator: unit.identity,
      });
      length = VitalPageHeader.$size + NaaDesignator.$size;
      break;
    case VitalPage.BlockLimits:
      length = blockLimits(request, unit);
      break;
    case VitalPage.BlockCharacteristics:
      BlockCharacteristics.rotationRate.set(view, 0, NOT_ROTATING);
      length = BlockCharacteristics.$size;
      break;
    case VitalPage.Provisioning:
      Provisioning.flags.set(view, 0, unit.isThin ? ProvisioningFlag.Unmap | ProvisioningFlag.WriteSame16
        | ProvisioningFlag.WriteSame10 | ProvisioningFlag.ReadsZeros : 0);
      Provisioning.type.set(view, 0, unit.isThin ? ProvisioningType.Thin : ProvisioningType.Full);
      length = Provisioning.$size;
      break;
    default:
      return Sense.InvalidFieldInCdb;
  }
  VitalPageHeader.encode(view, 0, { page, length: length - VitalPageHeader.$size });
  return request.reply(length, request.cdb.getUint16(request.at + 3));
}

function blockLimits({ scratchView: view }: UnitRequest, unit: LogicalUnit): number {
  const { logicalSectorBytes, physicalSectorBytes } = unit.disk.geometry;
  const maximum = MAX_TRANSFER_BYTES / logicalSectorBytes;
  BlockLimits.encode(view, 0, {
    zeroLengthRule: WRITE_SAME_NOT_ZERO,
    transferGranularity: physicalSectorBytes / logicalSectorBytes,
    maximumTransfer: maximum,
    optimalTransfer: maximum,
    maximumWriteSame: MAX_WRITE_SAME_BYTES / logicalSectorBytes,
  });
  if (unit.isThin) {
    BlockLimits.encode(view, 0, {
      maximumUnmapBlocks: MAX_UNMAP_BYTES / logicalSectorBytes,
      maximumUnmapDescriptors: MAX_UNMAP_DESCRIPTORS,
      unmapGranularity: unit.disk.blockBytes / logicalSectorBytes,
      unmapAlignment: UNMAP_ALIGNMENT_VALID,
    });
  }
  return BlockLimits.$size;
}

export function readCapacity10(request: UnitRequest, unit: LogicalUnit): number {
  const { scratchView: view } = request;
  Capacity10.lastAddress.set(view, 0, Math.min(unit.blockCount - 1, 0xffff_ffff));
  Capacity10.blockLength.set(view, 0, unit.disk.geometry.logicalSectorBytes);
  return request.reply(Capacity10.$size, Capacity10.$size);
}

export function readCapacity16(request: UnitRequest, unit: LogicalUnit): number {
  const { scratch, scratchView: view, cdb, at } = request;
  const { logicalSectorBytes, physicalSectorBytes } = unit.disk.geometry;
  scratch.fill(0, 0, Capacity16.$size);
  Capacity16.encode(view, 0, {
    lastAddress: unit.blockCount - 1,
    blockLength: logicalSectorBytes,
    exponent: Math.log2(physicalSectorBytes / logicalSectorBytes),
    provisioning: unit.isThin ? CapacityProvisioning.Managed | CapacityProvisioning.ReadsZeros : 0,
  });
  return request.reply(Capacity16.$size, cdb.getUint32(at + 10));
}
