/** Ties a differencing disk to a parent that moved, or that its owner knows to be right. */

import { VhdDynamicHeader, VhdType } from '../protocols/vhd.ts';
import { OperatingError } from '../kit/errors.ts';
import { locatorFor, vhdLinkFor } from './create-disk.ts';
import { HostFile } from './host-file.ts';
import { formatOf, openDisk } from './open-disk.ts';
import { LOCATOR_BYTES, writeLocators } from './vhd/create-vhd.ts';
import { openVhd } from './vhd/open-vhd.ts';
import { encodeDynamicHeader } from './vhd/structures.ts';
import { VhdDisk } from './vhd/vhd-disk.ts';
import { openVhdx } from './vhdx/open-vhdx.ts';
import { setLocator } from './vhdx/locator-change.ts';
import { VhdxDisk } from './vhdx/vhdx-disk.ts';
import type { Disk } from './disk.ts';

/** @throws OperatingError when the disk has no parent, or the other cannot be it. */
export function reconnectDisk(path: string, parentPath: string): void {
  const parent = openDisk(parentPath, { readOnly: true });
  try {
    const child = openAlone(path);
    try {
      reconnect(child, parent);
    } finally {
      child.closeSync();
    }
  } finally {
    parent.closeSync();
  }
}

function reconnect(child: VhdxDisk | VhdDisk, parent: Disk): void {
  if (parent.format !== child.format) {
    throw new OperatingError('bad-input', `${parent.name} is ${parent.format}, and the parent of ${child.name} is not`);
  }
  if (parent.geometry.sizeBytes > child.geometry.sizeBytes
    || parent.geometry.logicalSectorBytes !== child.geometry.logicalSectorBytes) {
    throw new OperatingError('bad-input', `${parent.name} is larger than ${child.name} or has other sectors: it is not `
      + 'its parent');
  }
  if (child instanceof VhdxDisk && parent instanceof VhdxDisk) setLocator(child, locatorFor(child.name, parent));
  if (child instanceof VhdDisk) reconnectVhd(child, parent);
}

/** New paths go behind everything; then the header, which has no copy, is written over. */
function reconnectVhd(child: VhdDisk, parent: Disk): void {
  child.beginChange();
  const link = vhdLinkFor(child.name, parent);
  const position = child.space().takeAtEnd(2 * LOCATOR_BYTES);
  child.writeEndFooter(child.space().endOfUse());
  const locators = writeLocators(child.file, position, link);
  child.file.flushSync();
  child.dynamic = {
    ...child.dynamic, locators, parentUniqueId: link.uniqueId, parentTimeStamp: link.timeStamp, parentName: link.name,
  };
  child.file.writeSync(encodeDynamicHeader(child.dynamic), 0, VhdDynamicHeader.$size, child.dynamicOffset);
  child.file.flushSync();
}

/**
 * A differencing disk for writing, without its parent: what it does not hold itself reads as zeros.
 * @throws OperatingError when it is none.
 */
export function openAlone(path: string): VhdxDisk | VhdDisk {
  const file = new HostFile(path, { readOnly: false });
  try {
    const format = formatOf(file);
    if (format === 'vhdx') {
      const opened = openVhdx(file);
      if (opened.metadata.values.hasParent) return new VhdxDisk({ opened, parent: undefined });
    } else if (format === 'vhd') {
      const opened = openVhd(file);
      const { dynamic } = opened;
      if (dynamic !== undefined && opened.footer.diskType === VhdType.Differencing)
        return new VhdDisk({ ...opened, dynamic }, undefined);
    }
    throw new OperatingError('bad-input', `${path} is not a differencing disk: it has no parent`);
  } catch (error) {
    file.closeSync();
    throw error;
  }
}
