/** Sizes as people type them: a number of bytes, or with K, M, G or T behind it. */

import { OperatingError } from './errors.ts';

const UNITS = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

/** @throws OperatingError when it is not a size. */
export function parseSize(what: string, text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)([KMGT])?(?:i?B)?$/i.exec(text) ?? [];
  const factor = unit === undefined ? 1 : UNITS[unit.toUpperCase() as keyof typeof UNITS];
  const size = Number(digits) * factor;
  if (!Number.isSafeInteger(size)) {
    throw new OperatingError('usage', `${what} is a size such as 512M or 20G, not ${text}`);
  }
  return size;
}

/** The shortest exact form, or one with a decimal place. */
export function showSize(sizeBytes: number): string {
  for (const [name, unit] of [['TiB', UNITS.T], ['GiB', UNITS.G], ['MiB', UNITS.M], ['KiB', UNITS.K]] as const) {
    if (sizeBytes >= unit) return `${Number((sizeBytes / unit).toFixed(1))} ${name}`;
  }
  return `${sizeBytes} bytes`;
}
