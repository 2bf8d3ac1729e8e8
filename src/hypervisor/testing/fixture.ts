/** One virtual processor on a scripted engine, with a clock that a test moves: what most tests here start from. */
import { ControlBuffer } from '../control-buffer.ts';
import type { IoIntercepts } from '../device-port.ts';
import { GuestMemory } from '../guest-memory.ts';
import { type HypercallDefinition } from '../hypercalls.ts';
import { ProcessorCommand, ProcessorRequests } from '../processor-requests.ts';
import { resetPartition, resetProcessor } from '../processor-reset.ts';
import { ReferenceTime } from '../reference-time.ts';
import { VirtualProcessor } from '../virtual-processor.ts';
import { ManualClock } from './manual-clock.ts';
import { ScriptedEngine, type ScriptStep } from './scripted-engine.ts';

export const MEMORY_SIZE = 0x10_0000;

export interface Fixture {
  readonly control: ControlBuffer;
  readonly clock: ManualClock;
  readonly time: ReferenceTime;
  readonly memory: GuestMemory;
  readonly processor: VirtualProcessor;
  readonly engine: ScriptedEngine;
  readonly endOfInterrupts: number[];
  /** Runs the script on this thread, then ends the loop. Steps are taken until the script is empty. */
  play(...steps: ScriptStep[]): void;
}

/** A control buffer in its reset state, its clock running from 0. */
export function resetControl(processorCount = 1, traceEntries = 0): ControlBuffer {
  const control = ControlBuffer.create(processorCount, traceEntries);
  resetPartition(control);
  for (let i = 0; i < processorCount; i++) resetProcessor(control, i);
  return control;
}

export function makeFixture(options: {
  processorCount?: number; index?: number; traceEntries?: number; invariantTsc?: boolean;
  hypercalls?: readonly HypercallDefinition[]; io?: Partial<IoIntercepts>;
} = {}): Fixture {
  const control = resetControl(options.processorCount ?? 1, options.traceEntries ?? 0);
  const index = options.index ?? 0;
  const clock = new ManualClock();
  const time = new ReferenceTime({ control, clock });
  time.freezeAt(0);
  time.thaw();
  const memory = new GuestMemory(new SharedArrayBuffer(MEMORY_SIZE), [{ gpa: 0, sizeBytes: MEMORY_SIZE, offset: 0 }]);
  const endOfInterrupts: number[] = [];
  const io: IoIntercepts = {
    portRead: () => 0xffff_ffff, portWrite: () => undefined,
    mmioRead: (_gpa, _size, data) => { data[0] = data[1] = -1; }, mmioWrite: () => undefined,
    endOfInterrupt: (vector) => { endOfInterrupts.push(vector); },
    ...options.io,
  };
  const script: ScriptStep[] = [];
  let engine: ScriptedEngine | undefined;
  const processor = new VirtualProcessor({
    control: control.buffer, index, memory, io, clock, hypercalls: options.hypercalls ?? [],
    invariantTsc: options.invariantTsc ?? false,
    engineFactory: (intercepts) => (engine = new ScriptedEngine(intercepts, script)),
  });
  const requests = new ProcessorRequests({ control, index });
  const play = (...steps: ScriptStep[]) => {
    const last = steps.pop();
    script.push(...steps, (machine) => {
      const reason = (last as ScriptStep)(machine);
      requests.give(ProcessorCommand.Stop);
      processor.router.wake(index);
      return reason;
    });
    requests.give(ProcessorCommand.Run);
    processor.run();
  };
  const scripted = engine as unknown as ScriptedEngine;
  return { control, clock, time, memory, processor, engine: scripted, endOfInterrupts, play };
}
