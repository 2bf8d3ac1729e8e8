/**
 * Which chunks of RAM a guest has used lately, as far as its processors remember: what their TLBs lead to and what code
 * they have decoded. A hint of what a restored guest reaches for first.
 */

import {
  ABSENT_SHIFT, CODE_HOLDERS, PAGE_NUMBER, RAM_START, TAG_EXECUTE, TAG_READ, TAG_WRITE, TLB, TLB_ENTRIES, TLB_ENTRY,
  TLB_KINDS, PROCESSOR_COUNT,
} from './core/layout.ts';
import { type EngineMemoryHandle, processorAddress } from './memory-handle.ts';

const PAGE_SHIFT = 12;
const PAGES_OF_CHUNK_SHIFT = ABSENT_SHIFT - PAGE_SHIFT;
/** Of a tag of the TLB that matches nothing. */
const NO_TAG = 1;

/** Numbers of chunks. Only while the processors are paused. */
export function recentChunks(handle: EngineMemoryHandle): ReadonlySet<number> {
  const view = new DataView(handle.memory.buffer);
  const field = (at: number): number => view.getUint32(handle.configuration + at, true);
  const ram = field(RAM_START);
  const chunks = new Set<number>();
  const pageCount = handle.slots.reduce((sum, slot) => sum + slot.sizeBytes, 0) >>> PAGE_SHIFT;
  const holders = field(CODE_HOLDERS);
  for (let page = 0; page < pageCount; page++) {
    const at = holders + page * 8;
    if (view.getUint32(at, true) !== 0 || view.getUint32(at + 4, true) !== 0) chunks.add(page >>> PAGES_OF_CHUNK_SHIFT);
  }
  for (let index = 0; index < field(PROCESSOR_COUNT); index++) {
    const start = processorAddress(index) + TLB;
    for (let entry = 0; entry < TLB_KINDS * TLB_ENTRIES; entry++) {
      const at = start + entry * TLB_ENTRY;
      const isKnown = [TAG_READ, TAG_WRITE, TAG_EXECUTE].some((tag) => view.getUint32(at + tag, true) !== NO_TAG);
      if (!isKnown) continue;
      const gpa = view.getUint32(at + PAGE_NUMBER, true) * 2 ** PAGE_SHIFT;
      const slot = handle.slots.find((each) => gpa >= each.gpa && gpa < each.gpa + each.sizeBytes);
      if (slot !== undefined) chunks.add((slot.offset + gpa - slot.gpa - ram) >>> ABSENT_SHIFT);
    }
  }
  return chunks;
}
