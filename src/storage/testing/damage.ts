/** Damage to images: bytes and words changed where it hurts, files cut short; the same for the same seed. */

import { Medium } from './crash-file.ts';

/** Values at which sizes and places go wrong. */
const EDGES = [0, 1, 2, 3, 6, 7, 0x7f, 0xff, 0x1ff, 0x200, 0xfff, 0x1000, 0xffff, 0x1_0000, 0x10_0000, 0x20_0000,
  0x7fff_ffff, 0x8000_0000, 0xffff_f000, 0xffff_fffe, 0xffff_ffff];

/** @param hotspots places where structures begin: most changes go near one of them. */
export function damage(image: Medium, hotspots: readonly number[], next: (limit: number) => number): Medium {
  const damaged = image.copy();
  const word = new Uint8Array(4);
  const view = new DataView(word.buffer);
  for (let count = 1 + next(6); count > 0; count--) {
    const near = (hotspots[next(hotspots.length)] as number) + next(next(2) === 0 ? 96 : 1024);
    const at = next(8) === 0 ? next(damaged.sizeBytes) : near;
    if (at + 4 > damaged.sizeBytes) continue;
    view.setUint32(0, next(2) === 0 ? EDGES[next(EDGES.length)] as number : next(0xffff_ffff), next(2) === 0);
    damaged.write(word, 0, 1 + next(4), at);
  }
  if (next(10) === 0) damaged.truncate(next(damaged.sizeBytes + 1));
  return damaged;
}

/** The image in memory, from its bytes. */
export function mediumOf(bytes: Uint8Array): Medium {
  const medium = new Medium();
  const page = 4096;
  for (let at = 0; at < bytes.length; at += page) {
    const length = Math.min(page, bytes.length - at);
    if (bytes.subarray(at, at + length).some((byte) => byte !== 0)) medium.write(bytes, at, length, at);
  }
  medium.sizeBytes = bytes.length;
  return medium;
}
