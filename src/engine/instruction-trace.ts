/** The engine's instruction trace as text: address, bytes, and the names of the rows that the bytes begin with. */

import {
  MODE_64, TRACE_BYTES, TRACE_ENTRIES, TRACE_ENTRY, TRACE_RING, TRACED,
} from './core/layout.ts';
import { type EngineMemoryHandle, processorAddress } from './memory-handle.ts';
import { instructionName } from './isa/names.ts';

/** Lines of a processor's trace, oldest first; empty when it was not asked for. */
export function instructionTrace(handle: EngineMemoryHandle, index: number): string[] {
  const view = new DataView(handle.memory.buffer);
  const at = processorAddress(index);
  const written = view.getUint32(at + TRACED, true);
  const lines: string[] = [];
  for (let n = Math.max(0, written - TRACE_ENTRIES); n < written; n++) {
    const entry = at + TRACE_RING + (n % TRACE_ENTRIES) * TRACE_ENTRY;
    const bytes = new Uint8Array(15);
    bytes.set(new Uint8Array(view.buffer, entry + TRACE_BYTES, 15));
    const rip = view.getBigUint64(entry, true).toString(16).padStart(16, '0');
    const name = instructionName(bytes, view.getUint32(entry + 8, true) === MODE_64);
    const hex = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    lines.push(`${rip}  ${hex}  ${name}`);
  }
  return lines;
}
