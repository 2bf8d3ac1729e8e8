/**
 * Which instructions set flags that somebody may look at: a later instruction, or the interpreter when the region is
 * left, which can happen at every access to memory.
 */

import { SEMANTICS } from '../isa/semantics.ts';
import type { Decoded } from './decoded.ts';
import type { Block } from './region-graph.ts';
import type { Shape } from './region-order.ts';

const SET_ALL = new Set(['ADD', 'SUB', 'CMP', 'AND', 'OR', 'XOR', 'TEST', 'NEG', 'IMUL', 'IMUL3',
  'BSF', 'BSR', 'LZCNT', 'TZCNT', 'BLSR', 'BLSMSK', 'BLSI', 'ANDN', 'BZHI', 'BEXTR']);
const SHIFTS = new Set(['SHL', 'SHR', 'SAR']);
const KEEP = new Set(['MOV', 'MOVZX8', 'MOVZX16', 'MOVSX8', 'MOVSX16', 'MOVSX32', 'NOT', 'BSWAP', 'LEA', 'NOP', 'NOPE',
  'XCHG', 'CBW', 'CWD', 'JMP', 'ROL', 'ROR', 'BT', 'BTS', 'BTR', 'BTC', 'CLC', 'STC',
  'SHLX', 'SHRX', 'SARX', 'RORX', 'MOVBE']);

function setsAll(record: Decoded): boolean {
  const family = record.operation?.family ?? '';
  if (SET_ALL.has(family)) return true;
  const size = record.operation?.size ?? 64;
  return SHIFTS.has(family) && record.operation?.form === 'ri'
    && (record.immediateLow & (size === 64 ? 63 : 31)) !== 0;
}

/** The flags before the instruction may be looked at, by itself or where it leaves the region. */
function looks(record: Decoded): boolean {
  const { operation } = record;
  if (!operation) return true;
  const { family, form } = operation;
  if (form.includes('m') && family !== 'LEA' && family !== 'NOPE') return true;
  return !SET_ALL.has(family) && !SHIFTS.has(family) && !KEEP.has(family) || SEMANTICS[family] === undefined
    && !KEEP.has(family);
}

/** For each block of the region, for each of its records: the flags behind it may be looked at. */
export function liveFlags(blocks: readonly Block[], { order, place }: Shape): Uint8Array[] {
  const result = blocks.map(({ records }) => new Uint8Array(records.length));
  const entering = new Uint8Array(blocks.length).fill(1);
  for (const index of [...order].reverse()) {
    const { records, edges, end } = blocks[index] as Block;
    const page = records[0]?.page;
    // Where it goes back or into another page it may leave the region.
    const leaves = end === 'leave' || end === 'indirect' || edges.some(({ to }) => to < 0 || entering[to] === 1
      || (place[to] as number) <= (place[index] as number) || blocks[to]?.records[0]?.page !== page);
    let live = leaves ? 1 : 0;
    for (let n = records.length - 1; n >= 0; n--) {
      const record = records[n] as Decoded;
      (result[index] as Uint8Array)[n] = live;
      if (setsAll(record)) live = 0;
      if (looks(record)) live = 1;
    }
    entering[index] = live;
  }
  return result;
}
