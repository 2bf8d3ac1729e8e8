/**
 * One debugger's session: the commands of the GDB remote protocol [Debugging with GDB, appendix E] on a machine that
 * stops and runs as a whole. A processor is a thread, numbered from 1. What a packet gets wrong is an error reply; what
 * it asks and we do not have is the empty one.
 */

import type { Watchpoint } from '../../engine/debugger.ts';
import type { Debugger, Stop } from './debugger.ts';
import { framed, MAXIMUM_PACKET, PacketStream, type Received } from './packet-stream.ts';
import {
  readRegister, registerBytes, TARGET_DESCRIPTION, writeRegister, writeRegisters,
} from './registers.ts';

const OK = 'OK';
const UNKNOWN = '';
const WRONG = 'E16'; // EINVAL, in hexadecimal
const NO_MEMORY = 'E0e'; // EFAULT
const TOO_MANY = 'E1c'; // ENOSPC
const SIGINT = 2;
const SIGTRAP = 5;
const MAXIMUM_WATCHED = 4096;
const FEATURES = 'qXfer:features:read+;swbreak+;hwbreak+;vContSupported+;QStartNoAckMode+';

export interface SessionPorts {
  readonly debugger: Debugger;
  send(bytes: Buffer): void;
  /** The debugger wants the guest to end. */
  kill(): void;
  /** The session is over; the guest runs. */
  end(): void;
}

export class Session {
  readonly #debugger: Debugger;
  readonly #ports: SessionPorts;
  readonly #stream = new PacketStream();
  #acknowledges = true;
  #last: Buffer = Buffer.alloc(0);
  #stop: Stop = { kind: 'attached', processor: 0 };
  /** The processor that registers and memory are asked of. */
  #processor = 0;
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(ports: SessionPorts) {
    this.#ports = ports;
    this.#debugger = ports.debugger;
    this.#debugger.onStop = (stop) => this.#stopped(stop);
  }

  /** Stops the machine; the debugger asks why. */
  open(): Promise<void> {
    return this.#after(() => this.#debugger.stop());
  }

  receive(bytes: Uint8Array): Promise<void> {
    for (const received of this.#stream.take(bytes)) void this.#after(() => this.#take(received));
    return this.#queue;
  }

  /** The guest has ended. */
  exited(): void {
    if (!this.#closed) this.#send('W00');
  }

  /** The connection is gone: the guest goes on as if there had been no debugger. */
  close(): Promise<void> {
    return this.#after(() => this.#leave());
  }

  #after(act: () => Promise<void> | void): Promise<void> {
    this.#queue = this.#queue.then(act).catch((error: unknown) => {
      // The machine ends meanwhile: nothing that it could still answer.
      if (!this.#closed) this.#send(`E.${error instanceof Error ? error.message : String(error)}`);
    });
    return this.#queue;
  }

  async #take(received: Received): Promise<void> {
    if (this.#closed) return;
    switch (received.kind) {
      case 'damaged':
        if (this.#acknowledges) this.#ports.send(Buffer.from('-'));
        return;
      case 'again':
        this.#ports.send(this.#last);
        return;
      case 'interrupt':
        if (!this.#debugger.running) return;
        await this.#debugger.stop();
        this.#stopped({ kind: 'interrupted', processor: this.#processor });
        return;
      case 'packet': {
        if (this.#acknowledges) this.#ports.send(Buffer.from('+'));
        const reply = await this.#command(received.data);
        if (reply !== undefined) this.#send(reply);
        return;
      }
      default:
        received satisfies never;
    }
  }

  /** The reply; undefined when there is none now. */
  async #command(data: Buffer): Promise<string | undefined> {
    const text = data.toString('latin1');
    const rest = text.slice(1);
    switch (text[0]) {
      case '?': return stopReply(this.#stop);
      case 'g': return registerBytes(await this.#state()).toString('hex');
      case 'G': return this.#writeState((state) => writeRegisters(state, Buffer.from(rest, 'hex')));
      case 'p': return this.#readRegister(rest);
      case 'P': return this.#writeRegister(rest);
      case 'm': return this.#readMemory(rest);
      case 'M': return this.#writeMemory(rest, 'hex');
      case 'X': return this.#writeMemory(rest, 'latin1');
      case 'Z': return this.#point(rest, true);
      case 'z': return this.#point(rest, false);
      case 'H': return this.#choose(rest);
      case 'T': return this.#index(rest) === undefined ? WRONG : OK;
      case 'c': case 'C': return this.#resume();
      case 's': case 'S': return this.#step(this.#processor, false);
      case 'D':
        await this.#leave();
        this.#send(OK);
        this.#ports.end();
        return undefined;
      case 'k':
        this.#ports.kill();
        return undefined;
      case 'v': return this.#verbose(text);
      case 'q': case 'Q': return this.#query(text);
      default: return UNKNOWN;
    }
  }

  async #verbose(text: string): Promise<string | undefined> {
    if (text === 'vCont?') return 'vCont;c;C;s;S';
    if (text.startsWith('vKill')) {
      this.#send(OK);
      this.#ports.kill();
      return undefined;
    }
    if (!text.startsWith('vCont;')) return UNKNOWN;
    const actions = text.slice('vCont;'.length).split(';').map((action) => action.split(':'));
    const step = actions.find(([what = '']) => /^[sS]/.test(what));
    if (step === undefined) return this.#resume();
    const index = step[1] === undefined ? this.#processor : this.#index(step[1]);
    if (index === undefined) return WRONG;
    return this.#step(index, actions.some(([what = '']) => /^[cC]/.test(what)));
  }

  #query(text: string): string {
    if (text.startsWith('qSupported')) return `PacketSize=${MAXIMUM_PACKET.toString(16)};${FEATURES}`;
    if (text === 'QStartNoAckMode') {
      this.#acknowledges = false;
      return OK;
    }
    if (text === 'qfThreadInfo') {
      return `m${Array.from({ length: this.#debugger.processors }, (_, index) => (index + 1).toString(16)).join(',')}`;
    }
    if (text === 'qsThreadInfo') return 'l';
    if (text === 'qC') return `QC${(this.#stop.processor + 1).toString(16)}`;
    if (text.startsWith('qAttached')) return '1';
    if (text === 'qSymbol::') return OK;
    const [, thread] = /^qThreadExtraInfo,(.*)$/.exec(text) ?? [];
    if (thread !== undefined) return this.#describe(thread);
    const [, offset, length] = /^qXfer:features:read:target\.xml:([\da-f]+),([\da-f]+)$/i.exec(text) ?? [];
    if (offset === undefined || length === undefined) return UNKNOWN;
    const from = Number.parseInt(offset, 16);
    const part = TARGET_DESCRIPTION.slice(from, from + Math.min(Number.parseInt(length, 16), MAXIMUM_PACKET / 2));
    return `${from + part.length < TARGET_DESCRIPTION.length ? 'm' : 'l'}${part}`;
  }

  #describe(thread: string): string {
    const index = this.#index(thread);
    if (index === undefined) return WRONG;
    const text = `processor ${index}${this.#debugger.isHalted(index) ? ', halted' : ''}`;
    return Buffer.from(text).toString('hex');
  }

  async #readRegister(text: string): Promise<string> {
    return readRegister(await this.#state(), Number.parseInt(text, 16))?.toString('hex') ?? WRONG;
  }

  async #writeRegister(text: string): Promise<string> {
    const [, number = '', value = ''] = /^([\da-f]+)=([\da-f]*)$/i.exec(text) ?? [];
    return this.#writeState((state) => writeRegister(state, Number.parseInt(number, 16), Buffer.from(value, 'hex')));
  }

  async #writeState(change: (state: Awaited<ReturnType<Debugger['state']>>) => boolean): Promise<string> {
    const state = await this.#state();
    if (!change(state)) return WRONG;
    await this.#debugger.setState(this.#processor, state);
    return OK;
  }

  async #readMemory(text: string): Promise<string> {
    const range = rangeOf(text);
    if (range === undefined) return WRONG;
    const memory = await this.#debugger.memory(this.#processor);
    const bytes = memory.read(range.address, Math.min(range.length, MAXIMUM_PACKET / 2));
    return bytes.length === 0 && range.length > 0 ? NO_MEMORY : bytes.toString('hex');
  }

  async #writeMemory(text: string, encoding: 'hex' | 'latin1'): Promise<string> {
    const colon = text.indexOf(':');
    const range = rangeOf(text.slice(0, colon));
    const data = Buffer.from(text.slice(colon + 1), encoding);
    if (colon < 0 || range === undefined || data.length !== range.length) return WRONG;
    const memory = await this.#debugger.memory(this.#processor);
    return memory.write(range.address, data) ? OK : NO_MEMORY;
  }

  #point(text: string, set: boolean): string {
    const [, type, where = ''] = /^([0-4]),([^;]*)/.exec(text) ?? [];
    const range = rangeOf(where);
    if (type === undefined || range === undefined) return type === undefined ? UNKNOWN : WRONG;
    if (type === '0' || type === '1') {
      const kind = type === '0' ? 'software' : 'hardware';
      if (set) return this.#debugger.addBreakpoint(kind, range.address) ? OK : TOO_MANY;
      this.#debugger.removeBreakpoint(kind, range.address);
      return OK;
    }
    if (range.length === 0 || range.length > MAXIMUM_WATCHED) return WRONG;
    const watchpoint: Watchpoint = { ...range, read: type !== '2', write: type !== '3' };
    if (set) return this.#debugger.addWatchpoint(watchpoint) ? OK : TOO_MANY;
    this.#debugger.removeWatchpoint(watchpoint);
    return OK;
  }

  /** `Hg`: of whom registers and memory are; `Hc` is not used beside vCont. */
  #choose(text: string): string {
    const thread = text.slice(1);
    // -1 means all and 0 any.
    if (thread === '-1' || thread === '0') return OK;
    const index = this.#index(thread);
    if (index === undefined) return WRONG;
    this.#processor = index;
    return OK;
  }

  async #resume(): Promise<undefined> {
    await this.#debugger.resume();
    return undefined;
  }

  async #step(index: number, others: boolean): Promise<undefined> {
    await this.#debugger.step(index, others);
    return undefined;
  }

  #stopped(stop: Stop): void {
    if (this.#closed) return;
    this.#stop = stop;
    this.#processor = stop.processor;
    this.#send(stopReply(stop));
  }

  async #leave(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#debugger.onStop = () => {};
    await this.#debugger.release();
  }

  #index(thread: string): number | undefined {
    const number = /^[\da-f]+$/i.test(thread) ? Number.parseInt(thread, 16) : 0;
    return number >= 1 && number <= this.#debugger.processors ? number - 1 : undefined;
  }

  #state() {
    return this.#debugger.state(this.#processor);
  }

  #send(reply: string): void {
    this.#last = framed(Buffer.from(reply, 'latin1'));
    this.#ports.send(this.#last);
  }
}

function rangeOf(text: string): { address: bigint; length: number } | undefined {
  const [, address, length] = /^([\da-f]{1,16}),([\da-f]{1,8})$/i.exec(text) ?? [];
  if (address === undefined || length === undefined) return undefined;
  return { address: BigInt(`0x${address}`), length: Number.parseInt(length, 16) };
}

function stopReply(stop: Stop): string {
  const thread = `thread:${(stop.processor + 1).toString(16)};`;
  const reply = (signal: number, why = ''): string => `T${signal.toString(16).padStart(2, '0')}${thread}${why}`;
  switch (stop.kind) {
    case 'attached': case 'stepped': return reply(SIGTRAP);
    case 'interrupted': return reply(SIGINT);
    case 'breakpoint': return reply(SIGTRAP, stop.breakpoint === 'software' ? 'swbreak:;' : 'hwbreak:;');
    case 'watchpoint': {
      const { read, write, address } = stop.watchpoint;
      return reply(SIGTRAP, `${!read ? 'watch' : write ? 'awatch' : 'rwatch'}:${address.toString(16)};`);
    }
    default: return stop satisfies never;
  }
}
