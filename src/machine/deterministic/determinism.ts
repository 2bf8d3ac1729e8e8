/**
 * A run that can be had twice, as the machine's main thread sees it: the clock, the randomness and the buffers that the
 * processor's thread is given in place of the host's, and the record of what was typed.
 */

import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { ByteRing } from '../../chipset/byte-ring.ts';
import { InstructionClock } from '../../engine/instruction-clock.ts';
import type { EngineMemoryHandle } from '../../engine/memory-handle.ts';
import { systemError } from '../../kit/errors.ts';
import { SeededRandom } from '../../kit/random.ts';
import type { DeterministicDescription } from '../description.ts';
import { type InputEntry, inputLine, inputTitle, parseInputRecord } from './input-record.ts';

/** When every such run begins: 2026-01-01, 00:00 UTC. */
const START_MS = 1_767_225_600_000;
const TYPED_BYTES = 0x1_0000;

/** What the processor's thread is given. Structured-cloneable. */
export interface DeterminismData {
  readonly clock: SharedArrayBuffer;
  readonly typed: SharedArrayBuffer;
  readonly startMs: number;
  readonly engineSeed: Uint8Array;
  readonly played?: readonly InputEntry[];
  readonly lockstep: boolean;
}

export class Determinism {
  readonly clock: InstructionClock;
  readonly random: SeededRandom;
  readonly data: DeterminismData;
  readonly #typed: ByteRing;
  readonly #recordFile: string | undefined;

  /** @throws OperatingError for a record that cannot be read or written */
  constructor(description: DeterministicDescription, handle: EngineMemoryHandle) {
    this.random = new SeededRandom(description.seed);
    const clock = new SharedArrayBuffer(InstructionClock.sharedBytes);
    const typed = new SharedArrayBuffer(ByteRing.sharedBytes(TYPED_BYTES));
    this.clock = new InstructionClock({ handle, shared: clock, startMs: START_MS });
    this.#typed = typedRing(typed);
    this.#recordFile = description.recordFile;
    const { replayFile } = description;
    this.data = {
      clock, typed, startMs: START_MS, engineSeed: this.random.bytes(8), lockstep: description.lockstep ?? false,
      ...(replayFile === undefined ? {} : { played: readRecord(replayFile) }),
    };
    if (this.#recordFile !== undefined) this.#write(() => writeFileSync(this.#recordFile as string, inputTitle()));
  }

  /** Takes as many bytes as fit for the guest's console; answers how many. */
  type(bytes: Uint8Array): number {
    return this.data.played === undefined ? this.#typed.write(bytes) : bytes.length;
  }

  /** The processor's thread has taken what was typed. */
  record(entry: InputEntry): void {
    if (this.#recordFile !== undefined) this.#write(() => appendFileSync(this.#recordFile as string, inputLine(entry)));
  }

  #write(act: () => void): void {
    try {
      act();
    } catch (error) {
      throw systemError(`write the input to ${this.#recordFile}`, error);
    }
  }
}

export function typedRing(shared: SharedArrayBuffer): ByteRing {
  return new ByteRing(shared, 0, TYPED_BYTES);
}

function readRecord(file: string): InputEntry[] {
  let text: string;
  try {
    text = readFileSync(file, 'latin1');
  } catch (error) {
    throw systemError(`read ${file}`, error);
  }
  return parseInputRecord(text, file);
}
