/**
 * What a VMDK is, read and checked: one sparse file with its descriptor in it (monolithic or stream-optimised), or a
 * descriptor in a file of its own that names flat or sparse files beside it. Snapshots, devices of a host and VMFS's
 * own sparse format are refused.
 */

import { viewOf } from '../../kit/view.ts';
import {
  VMDK_DESCRIPTOR_BYTES_MAX, VMDK_DESCRIPTOR_START, VMDK_MAGIC, VMDK_SECTOR_BYTES,
} from '../../protocols/vmdk.ts';
import { readBytes, type BlockFile } from '../block-file.ts';
import { damaged, unsupported } from '../damaged.ts';
import { type VmdkDescriptor, type VmdkExtent, parseDescriptor } from './descriptor.ts';
import { SparseExtent, readSparseHeader } from './sparse-extent.ts';

/** A part of the disk, of which the next begins where it ends. */
export interface OpenedExtent {
  readonly sizeBytes: number;
  readonly content:
    | { readonly kind: 'sparse'; readonly extent: SparseExtent }
    | { readonly kind: 'flat'; readonly file: BlockFile; readonly offset: number }
    | { readonly kind: 'zero' };
}

export interface OpenedVmdk {
  readonly file: BlockFile;
  readonly createType: string;
  readonly extents: readonly OpenedExtent[];
}

/** Opens a file beside the descriptor, by its name. */
export type OpenBeside = (name: string) => BlockFile;

const EXTENTS_MAX = 1000;
const FLAT_TYPES = ['FLAT', 'VMFS'];

export function isVmdk(file: BlockFile): boolean {
  const start = readBytes(file, 0, VMDK_DESCRIPTOR_START.length);
  return viewOf(start).getUint32(0, true) === VMDK_MAGIC
    || Buffer.from(start).toString('latin1') === VMDK_DESCRIPTOR_START;
}

/** @throws OperatingError when it is damaged, or needs what this version does not know. */
export function openVmdk(file: BlockFile, openBeside: OpenBeside): OpenedVmdk {
  if (viewOf(readBytes(file, 0, 4)).getUint32(0, true) === VMDK_MAGIC) return openSparse(file);
  if (file.sizeBytes > VMDK_DESCRIPTOR_BYTES_MAX) throw damaged(file, 'its descriptor is too long for one');
  const descriptor = parseDescriptor(Buffer.from(readBytes(file, 0, file.sizeBytes)).toString('utf8'));
  refuseParent(file, descriptor);
  if (descriptor.extents.length === 0 || descriptor.extents.length > EXTENTS_MAX) {
    throw damaged(file, `its descriptor names ${descriptor.extents.length} extents`);
  }
  const extents: OpenedExtent[] = [];
  try {
    for (const extent of descriptor.extents) extents.push(openExtent(file, extent, openBeside));
  } catch (error) {
    closeExtents(extents);
    throw error;
  }
  return { file, createType: descriptor.createType, extents };
}

export function closeExtents(extents: readonly OpenedExtent[]): void {
  for (const { content } of extents) {
    if (content.kind === 'sparse') content.extent.closeSync();
    else if (content.kind === 'flat') content.file.closeSync();
  }
}

function openSparse(file: BlockFile): OpenedVmdk {
  const header = readSparseHeader(file);
  const { descriptorOffset, descriptorBytes, sizeBytes } = header;
  if (descriptorOffset + descriptorBytes > file.sizeBytes || descriptorBytes > VMDK_DESCRIPTOR_BYTES_MAX) {
    throw damaged(file, `its descriptor of ${descriptorBytes} bytes at ${descriptorOffset} does not fit`);
  }
  const text = Buffer.from(readBytes(file, descriptorOffset, descriptorBytes)).toString('utf8').replace(/\0[^]*$/, '');
  const descriptor = parseDescriptor(text);
  refuseParent(file, descriptor);
  const extent = new SparseExtent(file, header);
  return { file, createType: descriptor.createType, extents: [{ sizeBytes, content: { kind: 'sparse', extent } }] };
}

function openExtent(file: BlockFile, extent: VmdkExtent, openBeside: OpenBeside): OpenedExtent {
  const { type, sectors, fileName, startSector } = extent;
  const sizeBytes = sectors * VMDK_SECTOR_BYTES;
  if (type === 'ZERO') return { sizeBytes, content: { kind: 'zero' } };
  if (type !== 'SPARSE' && !FLAT_TYPES.includes(type)) {
    throw unsupported(file, `its extent ${JSON.stringify(fileName)} is of the type ${type}, which is not known`);
  }
  // A descriptor that somebody sent must not name files that its receiver has elsewhere.
  if (fileName === '' || /[/\\\0]/.test(fileName) || fileName === '.' || fileName === '..') {
    throw damaged(file, `its extent ${JSON.stringify(fileName)} is no file beside it`);
  }
  const part = openBeside(fileName);
  try {
    if (type === 'SPARSE') {
      const header = readSparseHeader(part);
      if (header.sizeBytes < sizeBytes) throw damaged(part, `it is smaller than the ${sizeBytes} bytes of its extent`);
      return { sizeBytes, content: { kind: 'sparse', extent: new SparseExtent(part, header) } };
    }
    const offset = startSector * VMDK_SECTOR_BYTES;
    const isThere = offset + sizeBytes <= part.sizeBytes;
    if (!isThere) throw damaged(part, `it is smaller than the ${sizeBytes} bytes of its extent`);
    return { sizeBytes, content: { kind: 'flat', file: part, offset } };
  } catch (error) {
    part.closeSync();
    throw error;
  }
}

function refuseParent(file: BlockFile, { hasParent }: VmdkDescriptor): void {
  if (hasParent) throw unsupported(file, 'it is a snapshot, which needs its parent: export the whole disk instead');
}
