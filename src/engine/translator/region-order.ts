/**
 * Order and shape of a region's blocks: reverse postorder, dominators [Cooper, Harvey, Kennedy: A Simple, Fast
 * Dominance Algorithm], and from them the loops and merges that structured code needs [Ramsey: Beyond Relooper].
 */

import type { Block } from './region-graph.ts';

export interface Shape {
  /** Blocks in reverse postorder. */
  readonly order: readonly number[];
  /** Place of a block in it; -1: not reached. */
  readonly place: readonly number[];
  /** Blocks that a block dominates at once and that several branches lead to, the last of the order first. */
  readonly merges: readonly (readonly number[])[];
  readonly isMerge: readonly boolean[];
  readonly isLoop: readonly boolean[];
}

function reversePostorder(blocks: readonly Block[]): { order: number[]; place: number[] } {
  const place = blocks.map(() => -1);
  const order: number[] = [];
  visit(0, blocks, place, order);
  order.reverse();
  for (let n = 0; n < order.length; n++) place[order[n] as number] = n;
  return { order, place };
}

function visit(block: number, blocks: readonly Block[], place: number[], order: number[]): void {
  place[block] = 0;
  for (const { to } of (blocks[block] as Block).edges) if (to >= 0 && place[to] === -1) visit(to, blocks, place, order);
  order.push(block);
}

/** The nearest block that dominates both. */
function commonDominator(
  first: number, second: number, dominator: readonly number[], place: readonly number[],
): number {
  let a = first;
  let b = second;
  while (a !== b) {
    while ((place[a] as number) > (place[b] as number)) a = dominator[a] as number;
    while ((place[b] as number) > (place[a] as number)) b = dominator[b] as number;
  }
  return a;
}

function dominatorsOf(blocks: readonly Block[], order: readonly number[], place: readonly number[]): number[] {
  const dominator = blocks.map(() => -1);
  dominator[0] = 0;
  const before: number[][] = blocks.map(() => []);
  for (const block of order) for (const { to } of (blocks[block] as Block).edges) if (to >= 0) before[to]?.push(block);
  for (let changed = true; changed;) {
    changed = false;
    for (const block of order) {
      if (block === 0) continue;
      let found = -1;
      for (const from of before[block] as number[]) {
        if (dominator[from] === -1) continue;
        found = found < 0 ? from : commonDominator(from, found, dominator, place);
      }
      if (dominator[block] !== found) {
        dominator[block] = found;
        changed = true;
      }
    }
  }
  return dominator;
}

function dominates(above: number, block: number, dominator: readonly number[], place: readonly number[]): boolean {
  let at = block;
  while ((place[at] as number) > (place[above] as number)) at = dominator[at] as number;
  return at === above;
}

/** Shapes the region. A branch into the middle of a loop leaves the region instead: its edge loses its block. */
export function shapeOf(blocks: readonly Block[]): Shape {
  while (true) {
    const { order, place } = reversePostorder(blocks);
    const dominator = dominatorsOf(blocks, order, place);
    const isLoop = blocks.map(() => false);
    const isMerge = blocks.map(() => false);
    const isReached = blocks.map(() => false);
    let reducible = true;
    for (const block of order) {
      for (const edge of (blocks[block] as Block).edges) {
        if (edge.to < 0) continue;
        const isForward = (place[edge.to] as number) > (place[block] as number);
        if (isForward) {
          isMerge[edge.to] = isReached[edge.to] as boolean;
          isReached[edge.to] = true;
        } else if (dominates(edge.to, block, dominator, place)) isLoop[edge.to] = true;
        else {
          edge.to = -1;
          reducible = false;
        }
      }
    }
    if (reducible) return { order, place, merges: mergesOf(order, isMerge, dominator), isMerge, isLoop };
  }
}

/** Later blocks first: theirs is the outermost end. */
function mergesOf(order: readonly number[], isMerge: readonly boolean[], dominator: readonly number[]): number[][] {
  const merges: number[][] = isMerge.map(() => []);
  for (let n = order.length - 1; n >= 0; n--) {
    const block = order[n] as number;
    if (isMerge[block] === true && block !== 0) merges[dominator[block] as number]?.push(block);
  }
  return merges;
}
