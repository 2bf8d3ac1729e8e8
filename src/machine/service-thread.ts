/**
 * The main thread's side of a thread that serves devices of the guest: starts it, gives it commands, and replaces it
 * when it dies or no longer does anything. What the next one goes on from lies in shared memory, and is the business of
 * whoever owns the devices.
 */

import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { Doorbell } from '../hypervisor/doorbell.ts';
import { type ErrorCode, OperatingError } from '../kit/errors.ts';
import { ProgressWatch } from './progress-watch.ts';
import { RestartLimit } from './restart-limit.ts';
import { ServiceWord, type ServiceWorkerData, type StartReport, waitForWord } from './service-protocol.ts';

/** The thread answers between two turns; a host disk may be slow. */
const ANSWER_MS = 30_000;
/** A thread that does nothing for so long though there is something to do is not going to. */
const STUCK_MS = 60_000;

export interface ServiceThreadOptions<Report> {
  readonly name: string;
  /** The file of dist/whole that it runs. */
  readonly program: string;
  /** What a new thread is given. */
  readonly dataOf: () => object;
  readonly bell: Doorbell;
  /** MiB of the youngest objects, by default as many as Node wants. */
  readonly youngHeapMib?: number;
  readonly onReport: (report: Report) => void;
  /** A thread was started, the first or another, and may be sent commands; it is not there yet. */
  readonly onStarted?: () => void;
  /** It ended, unasked. */
  readonly onEnded?: () => void;
  /** Another is there in its place. */
  readonly onReplaced?: () => void;
  readonly onFailure: (error: unknown) => void;
}

export class ServiceThread<Command extends object, Report extends { readonly kind: string }> {
  readonly #options: ServiceThreadOptions<Report>;
  readonly #words = new Int32Array(new SharedArrayBuffer(ServiceWord.Count * 4));
  readonly #watch: ProgressWatch;
  readonly #restarts = new RestartLimit();
  #worker: Worker | undefined;
  #commands: MessagePort | undefined;
  #commandNumber = 0;
  #lastError: Error | undefined;
  #isStarted = false;
  #isStopping = false;

  constructor(options: ServiceThreadOptions<Report>) {
    this.#options = options;
    this.#watch = new ProgressWatch({
      progress: () => Atomics.load(this.#words, ServiceWord.Progress),
      isIdle: () => this.#worker === undefined
        || (Atomics.load(this.#words, ServiceWord.Idle) === 1 && !options.bell.isRung),
      stuckMs: STUCK_MS,
      onStuck: () => void this.kill(),
    });
  }

  /** How often it was replaced. */
  get restarts(): number {
    return this.#restarts.count;
  }

  get isRunning(): boolean {
    return this.#commands !== undefined;
  }

  /** Resolves when it is there. @throws OperatingError when it says that it cannot be. */
  async start(): Promise<void> {
    await this.#startThread();
    this.#isStarted = true;
    this.#watch.start();
  }

  /** It has done what it was told to do at its end, and has ended. */
  async stop(command: Command): Promise<void> {
    this.#isStopping = true;
    this.#watch.stop();
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    this.send(command);
    await ended;
  }

  /** Ends it at once, whatever it does, as a crash would; a new one goes on in its place. */
  async kill(): Promise<void> {
    await this.#worker?.terminate();
  }

  /** Sends a command; its number. */
  send(command: Command): number {
    const number = ++this.#commandNumber;
    this.#commands?.postMessage({ ...command, number });
    this.#options.bell.ring();
    return number;
  }

  /**
   * Sends a command and blocks until it was carried out. False: the thread is gone and has done all that it will, or
   * does not answer, which is a failure.
   */
  call(command: Command): boolean {
    if (this.#worker === undefined) return false;
    const number = this.send(command);
    if (waitForWord(this.#words, ServiceWord.Acknowledged, number, ANSWER_MS)) return true;
    const { name, onFailure } = this.#options;
    onFailure(new Error(`the ${name} thread did not answer within ${ANSWER_MS} ms`));
    return false;
  }

  /** What a command that was called has answered. */
  takeAnswer(): unknown {
    const received = this.#commands && receiveMessageOnPort(this.#commands) as { message: unknown } | undefined;
    return received?.message;
  }

  async #startThread(): Promise<void> {
    const { name, program, dataOf, youngHeapMib, onReport, onStarted } = this.#options;
    const { port1, port2 } = new MessageChannel();
    const data: ServiceWorkerData = { words: this.#words.buffer as SharedArrayBuffer, commands: port2 };
    const worker = new Worker(new URL(`../../whole/${program}`, import.meta.url), {
      workerData: { ...dataOf(), ...data }, transferList: [port2], name,
      ...(youngHeapMib === undefined ? {} : { resourceLimits: { maxYoungGenerationSizeMb: youngHeapMib } }),
    });
    this.#worker = worker;
    this.#commands = port1;
    onStarted?.();
    const ready = new Promise<StartReport>((resolve, reject) => {
      worker.on('message', (report: Report | StartReport) => {
        if (report.kind === 'ready' || report.kind === 'refused') resolve(report as StartReport);
        else onReport(report as Report);
      });
      worker.once('error', (error: Error) => {
        this.#lastError = error;
        reject(error);
      });
      worker.once('exit', () => {
        reject(new Error(`the ${name} thread ended before it was ready`));
        this.#onExit();
      });
    });
    const report = await ready;
    if (report.kind === 'refused') {
      this.#worker = undefined;
      throw new OperatingError(report.code as ErrorCode, report.message);
    }
  }

  #onExit(): void {
    this.#worker = undefined;
    this.#commands?.close();
    this.#commands = undefined;
    this.#options.onEnded?.();
    if (this.#isStopping || !this.#isStarted) return;
    if (!this.#restarts.allow(performance.now())) {
      this.#options.onFailure(this.#lastError ?? new Error(`the ${this.#options.name} thread ended again and again`));
      return;
    }
    this.#startThread().then(() => this.#options.onReplaced?.()).catch((error: unknown) => {
      // One that ended while it started is started again; one that cannot be there is not.
      if (error instanceof OperatingError) this.#options.onFailure(error);
    });
  }
}
