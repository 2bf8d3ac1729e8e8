/** The threads of a machine's virtual processors, as the partition's owner starts and ends them. */

import { Worker } from 'node:worker_threads';
import type { ProcessorThread } from '../hypervisor/partition.ts';
import type { InputEntry } from './deterministic/input-record.ts';
import type { InputReport, ProcessorReport, ProcessorWorkerData } from './processor-worker.ts';

/** Objects of a processor's thread: a few. Should a guest find a way to make them grow, the thread ends. */
const HEAP_MIB = 256;
/** The translator's garbage dies young; by itself V8 would let it fill 48 MiB before it looks. */
const YOUNG_HEAP_MIB = 6;

/** Starts a thread that will be a processor's, and loads what it needs before it is told of its machine. */
export function startProcessorThread(): Worker {
  return new Worker(new URL('../../whole/processor-worker.js', import.meta.url), {
    name: 'vp', resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB, maxYoungGenerationSizeMb: YOUNG_HEAP_MIB },
  });
}

export interface ProcessorThreadsOptions {
  /** What a processor's thread is given. */
  readonly dataOf: (index: number) => ProcessorWorkerData;
  readonly onFailure: (index: number, error: Error) => void;
  /** Of a run that can be had twice: the guest has what was typed. */
  readonly onInput?: (input: InputEntry) => void;
  /** One that was started already. */
  readonly spare?: Worker | undefined;
}

export class ProcessorThreads implements ProcessorThread {
  readonly #options: ProcessorThreadsOptions;
  readonly #workers: (Worker | undefined)[] = [];
  #spare: Worker | undefined;
  /** Of the threads that have ended. */
  instructions = 0;
  exceptions = 0;
  /** Of a run that can be had twice. */
  traceHash: string | undefined;
  lockstep: ProcessorReport['lockstep'];

  constructor(options: ProcessorThreadsOptions) {
    this.#options = options;
    this.#spare = options.spare;
  }

  /** Started so far. */
  get count(): number {
    return this.#workers.length;
  }

  start(index: number): void {
    const worker = this.#spare ?? startProcessorThread();
    this.#spare = undefined;
    worker.postMessage(this.#options.dataOf(index));
    this.#workers[index] = worker;
    worker.on('message', (report: ProcessorReport | InputReport) => {
      if ('input' in report) {
        this.#options.onInput?.(report.input);
        return;
      }
      this.traceHash = report.traceHash;
      this.lockstep = report.lockstep;
      this.instructions += report.instructions;
      this.exceptions += report.exceptions;
    });
    worker.on('error', (error) => this.#options.onFailure(index, error as Error));
    worker.on('exit', () => {
      this.#workers[index] = undefined;
    });
  }

  async terminate(index: number): Promise<void> {
    await this.#workers[index]?.terminate();
  }

  /** Resolves when every thread that runs now has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker && new Promise((resolve) => worker.once('exit', resolve))));
  }
}
