/**
 * A machine as a debugger sees it: it stands still or runs as a whole, has breakpoints and watchpoints at virtual
 * addresses of whatever address space, and says why it has stopped. While it stands still the guest's time does too.
 */

import { EngineDebugger, MOST_BREAKPOINTS, MOST_WATCHPOINTS, type Watchpoint } from '../../engine/debugger.ts';
import type { EngineMemoryHandle } from '../../engine/memory-handle.ts';
import type { ProcessorState } from '../../hypervisor/engine-port.ts';
import type { GuestMemory } from '../../hypervisor/guest-memory.ts';
import type { Partition } from '../../hypervisor/partition.ts';
import { VpActivity } from '../../hypervisor/partition-layout.ts';
import { VirtualMemory } from './virtual-memory.ts';

export type BreakpointKind = 'software' | 'hardware';

/** Why the machine stands still, and which processor has caused it. */
export type Stop = { readonly processor: number } & (
  | { readonly kind: 'attached' | 'interrupted' | 'stepped' }
  | { readonly kind: 'breakpoint'; readonly breakpoint: BreakpointKind }
  | { readonly kind: 'watchpoint'; readonly watchpoint: Watchpoint }
);

/** What a debugger needs of a partition. */
export type PausablePartition = Pick<
  Partition, 'pause' | 'start' | 'stepProcessor' | 'captureProcessor' | 'loadProcessor' | 'activity'
>;

export interface DebuggerOptions {
  readonly partition: PausablePartition;
  readonly engine: EngineMemoryHandle;
  readonly memory: GuestMemory;
  readonly processors: number;
}

export class Debugger {
  /** Hears of every stop but those that `stop` makes. */
  onStop: (stop: Stop) => void = () => {};
  readonly processors: number;
  readonly #partition: PausablePartition;
  readonly #memory: GuestMemory;
  readonly #engines: readonly EngineDebugger[];
  readonly #breakpoints = new Map<bigint, Set<BreakpointKind>>();
  #watchpoints: readonly Watchpoint[] = [];
  /** Registers of processors since the machine stands still. */
  readonly #states = new Map<number, ProcessorState>();
  /** Processors that have stopped by themselves while the machine was brought to a stop for another. */
  readonly #alsoStopped = new Set<number>();
  #stoppingAfterOne: number | undefined;
  #running = true;

  constructor({ partition, engine, memory, processors }: DebuggerOptions) {
    this.#partition = partition;
    this.#memory = memory;
    this.processors = processors;
    this.#engines = Array.from({ length: processors }, (_, index) => new EngineDebugger(engine, index));
  }

  get running(): boolean {
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#partition.pause();
  }

  /** Lets all processors run; returns without waiting for what becomes of it. */
  async resume(): Promise<void> {
    if (await this.#reportsWaiting()) return;
    for (let index = 0; index < this.processors && this.#breakpoints.size > 0; index++) {
      const state = await this.state(index);
      // Where it stands it has stopped already: it is to get past that.
      if (this.#breakpoints.has(state.rip)) await this.#partition.stepProcessor(index, false);
    }
    await this.#run();
  }

  /** One instruction of a processor; `others` run meanwhile. A halted processor goes on when something wakes it. */
  async step(index: number, others: boolean): Promise<void> {
    if (this.#partition.activity(index) !== VpActivity.Running) {
      this.#stoppingAfterOne = index;
      this.#engine(index).stopAfterOne(true);
      await this.#run();
      return;
    }
    this.#states.clear();
    await this.#partition.stepProcessor(index, others);
    const hit = this.#watchpointHit(index);
    this.onStop(hit === undefined ? { kind: 'stepped', processor: index }
      : { kind: 'watchpoint', processor: index, watchpoint: hit });
  }

  /** The processor has stopped at one of the debugger's points: the partition says so. */
  async stoppedByItself(index: number): Promise<void> {
    if (!this.#running) {
      this.#alsoStopped.add(index);
      return;
    }
    await this.stop();
    const why = await this.#reasonOf(index);
    if (this.#stoppingAfterOne !== undefined) this.#engine(this.#stoppingAfterOne).stopAfterOne(false);
    this.#stoppingAfterOne = undefined;
    if (why === undefined) await this.#run();
    else this.onStop(why);
  }

  /** Forgets every point and lets the machine run. */
  async release(): Promise<void> {
    await this.stop();
    this.#breakpoints.clear();
    this.#watchpoints = [];
    this.#alsoStopped.clear();
    for (const engine of this.#engines) {
      engine.setBreakpoints([]);
      engine.setWatchpoints([]);
      engine.stopAfterOne(false);
    }
    await this.#run();
  }

  /** Registers of a processor, of a machine that stands still. */
  async state(index: number): Promise<ProcessorState> {
    let state = this.#states.get(index);
    if (state === undefined) {
      state = await this.#partition.captureProcessor(index);
      this.#states.set(index, state);
    }
    return state;
  }

  async setState(index: number, state: ProcessorState): Promise<void> {
    this.#states.set(index, state);
    await this.#partition.loadProcessor(index, state);
  }

  isHalted(index: number): boolean {
    return this.#partition.activity(index) !== VpActivity.Running;
  }

  /** Memory as processor `index` sees it now. */
  async memory(index: number): Promise<VirtualMemory> {
    return new VirtualMemory(this.#memory, await this.state(index));
  }

  /** False when there are too many. */
  addBreakpoint(kind: BreakpointKind, address: bigint): boolean {
    const kinds = this.#breakpoints.get(address);
    if (kinds === undefined && this.#breakpoints.size >= MOST_BREAKPOINTS) return false;
    this.#breakpoints.set(address, (kinds ?? new Set()).add(kind));
    this.#tellBreakpoints();
    return true;
  }

  removeBreakpoint(kind: BreakpointKind, address: bigint): void {
    const kinds = this.#breakpoints.get(address);
    kinds?.delete(kind);
    if (kinds?.size === 0) this.#breakpoints.delete(address);
    this.#tellBreakpoints();
  }

  addWatchpoint(watchpoint: Watchpoint): boolean {
    if (this.#watchpoints.length >= MOST_WATCHPOINTS) return false;
    this.#setWatchpoints([...this.#watchpoints, watchpoint]);
    return true;
  }

  removeWatchpoint({ address, length, read, write }: Watchpoint): void {
    this.#setWatchpoints(this.#watchpoints.filter((each) =>
      each.address !== address || each.length !== length || each.read !== read || each.write !== write));
  }

  async #run(): Promise<void> {
    this.#states.clear();
    this.#running = true;
    await this.#partition.start();
  }

  /** A processor that stopped beside another says so now, if its reason is still there. */
  async #reportsWaiting(): Promise<boolean> {
    for (const index of this.#alsoStopped) {
      this.#alsoStopped.delete(index);
      const why = await this.#reasonOf(index);
      if (why === undefined) continue;
      this.onStop(why);
      return true;
    }
    return false;
  }

  async #reasonOf(index: number): Promise<Stop | undefined> {
    const watchpoint = this.#watchpointHit(index);
    if (watchpoint !== undefined) return { kind: 'watchpoint', processor: index, watchpoint };
    const kinds = this.#breakpoints.get((await this.state(index)).rip);
    if (kinds !== undefined) {
      return { kind: 'breakpoint', processor: index, breakpoint: kinds.has('software') ? 'software' : 'hardware' };
    }
    return this.#stoppingAfterOne === index ? { kind: 'stepped', processor: index } : undefined;
  }

  #watchpointHit(index: number): Watchpoint | undefined {
    const number = this.#engine(index).takeHit();
    return number === undefined ? undefined : this.#watchpoints[number];
  }

  #tellBreakpoints(): void {
    for (const engine of this.#engines) engine.setBreakpoints([...this.#breakpoints.keys()]);
  }

  #setWatchpoints(watchpoints: readonly Watchpoint[]): void {
    this.#watchpoints = watchpoints;
    for (const engine of this.#engines) engine.setWatchpoints(watchpoints);
  }

  #engine(index: number): EngineDebugger {
    return this.#engines[index] as EngineDebugger;
  }
}
