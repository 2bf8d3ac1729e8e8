/**
 * Which instructions set flags that somebody may look at: a later instruction, or the interpreter when the region is
 * left, which can happen at every access to memory.
 */

import type { Decoded } from './decoded.ts';
import type { Block } from './region-graph.ts';
import type { Shape } from './region-order.ts';

function setsAll({ operation, immediateLow }: Decoded): boolean {
  if (operation === undefined || operation.setsFlags === 'never') return false;
  return operation.setsFlags === 'always' || (immediateLow & (operation.size === 64 ? 63 : 31)) !== 0;
}

/** Notes for each record of the region's blocks whether the flags behind it may be looked at. */
export function findLiveFlags(blocks: readonly Block[], { order, place }: Shape): void {
  const entering = blocks.map(() => true);
  for (let n = order.length - 1; n >= 0; n--) {
    const index = order[n] as number;
    let live = leavesRegion(index, blocks, place, entering);
    const { records } = blocks[index] as Block;
    for (let at = records.length - 1; at >= 0; at--) {
      const record = records[at] as Decoded;
      record.areFlagsLive = live;
      if (setsAll(record)) live = false;
      if (record.nextOpening !== 0 || (record.operation?.looksAtFlags ?? true)) live = true;
    }
    entering[index] = live;
  }
}

/** Behind the block the flags may be looked at. Where it goes back or into another page it may leave the region. */
function leavesRegion(
  index: number, blocks: readonly Block[], place: readonly number[], entering: readonly boolean[],
): boolean {
  const { end, edges, page } = blocks[index] as Block;
  if (end === 'leave' || end === 'indirect' || end === 'string') return true;
  for (const { to } of edges) {
    if (to < 0 || entering[to] === true || (place[to] as number) <= (place[index] as number)) return true;
    if (blocks[to]?.page !== page) return true;
  }
  return false;
}
