/** Looks for what is wrong with an image, and puts right what can be put right. */

import { OperatingError } from '../kit/errors.ts';
import type { BlockFile } from './block-file.ts';
import type { DiskFormat, Extent } from './disk.ts';
import { HostFile } from './host-file.ts';
import { formatOf, openDisk } from './open-disk.ts';
import { checkVhd } from './vhd/check-vhd.ts';
import { checkVhdx } from './vhdx/check-vhdx.ts';

export interface DiskProblem {
  /** A sentence. */
  readonly what: string;
  readonly isRepaired: boolean;
}

export interface DiskCheck {
  readonly format: DiskFormat;
  readonly problems: readonly DiskProblem[];
  /** Room that nothing uses; compacting gives it back. */
  readonly unusedBytes: number;
}

/** What the checks of a format report to. */
export class Findings {
  readonly problems: DiskProblem[] = [];
  readonly isRepairing: boolean;
  unusedBytes = 0;

  constructor(isRepairing: boolean) {
    this.isRepairing = isRepairing;
  }

  /** A problem, and what puts it right, if something does. */
  add(what: string, repair?: () => void): void {
    if (this.isRepairing) repair?.();
    this.problems.push({ what, isRepaired: this.isRepairing && repair !== undefined });
  }
}

/** More of them are not listed. */
const PROBLEMS_MAX = 100;

/** @throws OperatingError when the image cannot be read at all. */
export function checkDisk(path: string, { repair }: { repair: boolean }): DiskCheck {
  const findings = new Findings(repair);
  const file = new HostFile(path, { readOnly: !repair });
  let format: DiskFormat;
  try {
    format = formatOf(file);
    checkFile(file, format, findings);
  } finally {
    file.closeSync();
  }
  if (findings.problems.every(({ isRepaired }) => isRepaired)) checkContent(path, findings);
  return { format, problems: findings.problems.slice(0, PROBLEMS_MAX), unusedBytes: findings.unusedBytes };
}

function checkFile(file: BlockFile, format: DiskFormat, findings: Findings): void {
  try {
    if (format === 'vhdx') checkVhdx(file, findings);
    else if (format === 'vhd') checkVhd(file, findings);
  } catch (error) {
    addRefusal(error, findings);
  }
}

/** The chain is whole, and every place that the tables name is there. */
function checkContent(path: string, findings: Findings): void {
  try {
    const disk = openDisk(path, { readOnly: true });
    try {
      const extent: Extent = { state: 'data', lengthBytes: 0 };
      for (let at = 0; at < disk.geometry.sizeBytes; at += extent.lengthBytes) disk.extentAt(at, extent);
    } finally {
      disk.closeSync();
    }
  } catch (error) {
    addRefusal(error, findings);
  }
}

function addRefusal(error: unknown, findings: Findings): void {
  if (!(error instanceof OperatingError) || error.code === 'host') throw error;
  findings.add(error.message);
}
