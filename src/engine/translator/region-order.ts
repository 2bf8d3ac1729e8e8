/**
 * Order and shape of a region's blocks: reverse postorder, dominators [Cooper, Harvey, Kennedy: A Simple, Fast
 * Dominance Algorithm], and from them the loops and merges that structured code needs [Ramsey: Beyond Relooper].
 */

import type { Block } from './region-graph.ts';

export interface Shape {
  /** Blocks in reverse postorder. */
  readonly order: readonly number[];
  /** Place of a block in it; -1: not reached. */
  readonly place: Int32Array;
  /** Blocks that a block dominates at once and that several branches lead to, the last of the order first. */
  readonly merges: readonly (readonly number[])[];
  readonly isMerge: Uint8Array;
  readonly isLoop: Uint8Array;
}

function reversePostorder(blocks: readonly Block[]): { order: number[]; place: Int32Array } {
  const seen = new Uint8Array(blocks.length);
  const order: number[] = [];
  const visit = (block: number): void => {
    seen[block] = 1;
    for (const { to } of (blocks[block] as Block).edges) if (to >= 0 && seen[to] === 0) visit(to);
    order.push(block);
  };
  visit(0);
  order.reverse();
  const place = new Int32Array(blocks.length).fill(-1);
  order.forEach((block, n) => { place[block] = n; });
  return { order, place };
}

function dominatorsOf(blocks: readonly Block[], order: readonly number[], place: Int32Array): Int32Array {
  const dominator = new Int32Array(blocks.length).fill(-1);
  dominator[0] = 0;
  const before: number[][] = blocks.map(() => []);
  for (const block of order) for (const { to } of (blocks[block] as Block).edges) if (to >= 0) before[to]?.push(block);
  const common = (first: number, second: number): number => {
    let a = first;
    let b = second;
    while (a !== b) {
      while ((place[a] as number) > (place[b] as number)) a = dominator[a] as number;
      while ((place[b] as number) > (place[a] as number)) b = dominator[b] as number;
    }
    return a;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (const block of order) {
      if (block === 0) continue;
      let found = -1;
      for (const from of before[block] as number[]) {
        if (dominator[from] === -1) continue;
        found = found < 0 ? from : common(from, found);
      }
      if (dominator[block] !== found) {
        dominator[block] = found;
        changed = true;
      }
    }
  }
  return dominator;
}

/** Shapes the region. A branch into the middle of a loop leaves the region instead: its edge loses its block. */
export function shapeOf(blocks: readonly Block[]): Shape {
  while (true) {
    const { order, place } = reversePostorder(blocks);
    const dominator = dominatorsOf(blocks, order, place);
    const dominates = (above: number, block: number): boolean => {
      let at = block;
      while ((place[at] as number) > (place[above] as number)) at = dominator[at] as number;
      return at === above;
    };
    const isLoop = new Uint8Array(blocks.length);
    const forward = new Uint8Array(blocks.length);
    let reducible = true;
    for (const block of order) {
      for (const edge of (blocks[block] as Block).edges) {
        if (edge.to < 0) continue;
        const isForward = (place[edge.to] as number) > (place[block] as number);
        if (isForward) forward[edge.to] = Math.min(2, forward[edge.to] as number + 1);
        else if (dominates(edge.to, block)) isLoop[edge.to] = 1;
        else {
          edge.to = -1;
          reducible = false;
        }
      }
    }
    if (!reducible) continue;
    const isMerge = forward.map((count) => (count > 1 ? 1 : 0));
    const merges: number[][] = blocks.map(() => []);
    // Later blocks first: theirs is the outermost end.
    for (const block of [...order].reverse())
      if (isMerge[block] === 1 && block !== 0) merges[dominator[block] as number]?.push(block);
    return { order, place, merges, isMerge, isLoop };
  }
}
