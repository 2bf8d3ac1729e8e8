/** Damaged QCOW2 images: each is read or refused in a sentence. */
import { deflateRawSync } from 'node:zlib';
import { QCOW2_MAGIC, Qcow2Header, Qcow2HeaderExtension } from '../src/protocols/qcow2.ts';
import type { BlockFile } from '../src/storage/block-file.ts';
import type { Disk } from '../src/storage/disk.ts';
import { openQcow2 } from '../src/storage/qcow2/open-qcow2.ts';
import { Qcow2Disk } from '../src/storage/qcow2/qcow2-disk.ts';
import { CrashFile, generator } from '../src/storage/testing/crash-file.ts';
import { damage, mediumOf } from '../src/storage/testing/damage.ts';
import { tryDisk } from './disk-use.ts';

const CLUSTER_BITS = 12;
const CLUSTER_BYTES = 2 ** CLUSTER_BITS;
const L1_OFFSET = CLUSTER_BYTES;
const L2_OFFSET = 2 * CLUSTER_BYTES;
const DATA_OFFSET = 3 * CLUSTER_BYTES;
const PACKED_OFFSET = 4 * CLUSTER_BYTES;

export const target = {
  name: 'disk-qcow2',
  covers: ['src/storage/qcow2/'],
  run(seed: number, iterations: number): void {
    const next = generator(seed);
    const seeds = [mediumOf(image(2)), mediumOf(image(3))];
    for (let iteration = 0; iteration < iterations; iteration++) {
      const hotspots = [0, 0, 64, L1_OFFSET, L2_OFFSET, L2_OFFSET, PACKED_OFFSET];
      const damaged = damage(seeds[next(2)] as (typeof seeds)[number], hotspots, next);
      tryDisk(new CrashFile(damaged, undefined, { readOnly: true }), open, next);
    }
  },
};

function open(file: BlockFile): Disk {
  return new Qcow2Disk(openQcow2(file), undefined);
}

/** One table of each level; a plain cluster, a compressed one, a zero one, and nothing. */
function image(version: number): Uint8Array {
  const bytes = new Uint8Array(6 * CLUSTER_BYTES);
  const view = new DataView(bytes.buffer);
  Qcow2Header.encode(view, 0, {
    magic: QCOW2_MAGIC, version, clusterBits: CLUSTER_BITS, size: 2 ** 20, l1Size: 1, l1TableOffset: L1_OFFSET,
  });
  if (version === 3) Qcow2HeaderExtension.encode(view, Qcow2Header.$size, { refcountOrder: 4, headerLength: 112 });
  view.setUint32(L1_OFFSET, 0x8000_0000);
  view.setUint32(L1_OFFSET + 4, L2_OFFSET);
  view.setUint32(L2_OFFSET, 0x8000_0000);
  view.setUint32(L2_OFFSET + 4, DATA_OFFSET);
  view.setUint32(L2_OFFSET + 8, 0x4000_0000);
  view.setUint32(L2_OFFSET + 12, PACKED_OFFSET);
  view.setUint32(L2_OFFSET + 20, 1);
  bytes.fill(5, DATA_OFFSET, PACKED_OFFSET);
  bytes.set(deflateRawSync(new Uint8Array(CLUSTER_BYTES).fill(9)), PACKED_OFFSET);
  return bytes;
}
