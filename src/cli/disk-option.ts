/** `--disk FILE[,ro|,merge][,cache=none][,iops=N][,bandwidth=SIZE]`, `--dvd FILE|none`: what is on the controllers. */

import { OperatingError } from '../kit/errors.ts';
import type { DiskDescription, DvdDescription, StorageDescription } from '../machine/description.ts';
import type { Invocation } from './command.ts';

const BANDWIDTH = /^(\d+(?:\.\d+)?)([KMG])(?:i?B)?(?:\/s)?$/i;

/** Disks in their order, then drives. */
export function unitsOf(invocation: Invocation): StorageDescription[] {
  return [
    ...invocation.values('disk').map((value) => value.toLowerCase().endsWith('.iso') ? driveOf(value) : diskOf(value)),
    ...invocation.values('dvd').map(driveOf),
  ];
}

function driveOf(value: string): DvdDescription {
  if (value === '') throw new OperatingError('usage', '--dvd is an ISO image or "none", not an empty text');
  return { kind: 'dvd', path: value === 'none' ? undefined : value };
}

/** A comma belongs to the file's name unless one of our words follows. */
function diskOf(value: string): DiskDescription {
  let path = value;
  let readOnly = false;
  let merge = false;
  let cache: DiskDescription['cache'];
  const limits: { operations?: number; bytes?: number } = {};
  for (;;) {
    const [, rest = '', name, setting = ''] = /^(.*),(ro|merge|cache|iops|bandwidth)(?:=([^,]*))?$/.exec(path) ?? [];
    if (name === undefined) break;
    if (name === 'ro') readOnly = true;
    else if (name === 'merge') merge = true;
    else if (name === 'cache') cache = cacheOf(setting);
    else if (name === 'iops') limits.operations = operationsOf(setting);
    else limits.bytes = bandwidthOf(setting);
    path = rest;
  }
  if (path === '') {
    throw new OperatingError('usage', `--disk is a file, or a file and ",ro", not ${JSON.stringify(value)}`);
  }
  if (readOnly && merge) {
    throw new OperatingError('usage', `${path} is to be merged and read-only: leave ",ro" or ",merge" out`);
  }
  return {
    path, readOnly, ...(merge && { merge }), ...(cache !== undefined && { cache }),
    ...(Object.keys(limits).length > 0 && { limits }),
  };
}

function cacheOf(text: string): 'host' | 'none' {
  if (text === 'host' || text === 'none') return text;
  throw new OperatingError('usage', `cache= is none or host, not ${text || 'nothing'}`);
}

function operationsOf(text: string): number {
  const operations = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (operations > 0) return operations;
  throw new OperatingError('usage', `iops= is a number of operations a second such as 500, not ${text || 'nothing'}`);
}

function bandwidthOf(text: string): number {
  const [, digits = '', unit = ''] = BANDWIDTH.exec(text) ?? [];
  const bytes = Number(digits) * 1024 ** (1 + 'KMG'.indexOf(unit.toUpperCase()));
  if (digits !== '' && bytes >= 1) return bytes;
  throw new OperatingError('usage', `bandwidth= is a size a second such as 10M, not ${text || 'nothing'}`);
}
