/** A run from the outside: a machine in memory, streams and signals of the test's own. */

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { MachineDescription, MachineEnd, MachinePorts, RunnableMachine } from '../machine/description.ts';
import { OperatingError } from '../kit/errors.ts';
import type { BootRequest } from './boot-request.ts';
import { boot } from './boot.ts';

const DESCRIPTION: MachineDescription = {
  kernel: 'kernel', commandLine: '', memoryBytes: 2 ** 29, processors: 1, rebootInPlace: true, debugExit: false,
};

/** A machine that does what the test says, and remembers what was done to it. */
class FakeMachine implements RunnableMachine {
  readonly typed: string[] = [];
  readonly started: Promise<void>;
  readonly ports: MachinePorts;
  room: Promise<void> | undefined;
  stops = 0;
  readonly saves: string[] = [];
  refusal: Error | undefined;
  end: (end: MachineEnd) => void = () => {};
  #start: () => void = () => {};

  constructor(ports: MachinePorts) {
    this.ports = ports;
    this.started = new Promise((resolve) => { this.#start = resolve; });
  }

  async start(): Promise<MachineEnd> {
    this.#start();
    return new Promise((resolve) => { this.end = resolve; });
  }

  input(bytes: Uint8Array): Promise<void> | void {
    this.typed.push(Buffer.from(bytes).toString());
    return this.room;
  }

  async save(file: string): Promise<void> {
    this.saves.push(file);
    if (this.refusal !== undefined) throw this.refusal;
    this.end({ kind: 'off' });
  }

  async stop(): Promise<void> { this.stops++; }
  statistics(): object { return { engine: 'fake' }; }
  inspect(): object { return { processors: [] }; }
}

interface Run {
  readonly machine: FakeMachine;
  readonly input: PassThrough & { isTTY?: boolean; setRawMode?: (raw: boolean) => void };
  readonly output: PassThrough;
  readonly signals: EventEmitter;
  readonly said: string[];
  readonly raw: boolean[];
  readonly status: Promise<number>;
}

/** Boots a fake machine and waits until it runs. */
async function started(request: Omit<BootRequest, 'description' | 'restore'> = {}, terminal = false): Promise<Run> {
  const input: Run['input'] = new PassThrough();
  const raw: boolean[] = [];
  if (terminal) Object.assign(input, { isTTY: true, setRawMode: (on: boolean) => raw.push(on) });
  const output = new PassThrough({ highWaterMark: 4 });
  const signals = new EventEmitter();
  const said: string[] = [];
  let status: Promise<number> = Promise.resolve(-1);
  const machine = await new Promise<FakeMachine>((resolve) => {
    status = boot({ description: DESCRIPTION, ...request }, {
      createMachine: async (_, ports) => {
        const created = new FakeMachine(ports);
        resolve(created);
        return created;
      },
      restoreMachine: async () => assert.fail('nothing is restored'),
      streams: { input, output }, signals, say: (line) => said.push(line),
    });
  });
  await machine.started;
  return { machine, input, output, signals, said, raw, status };
}

const ENDS: readonly (readonly [end: MachineEnd, status: number, said: RegExp])[] = [
  [{ kind: 'off' }, 0, /^$/],
  [{ kind: 'reset' }, 0, /^$/],
  [
    { kind: 'crash', parameters: ['0x6', '0xa'], trace: ['port out 0x80'] },
    8, /port out 0x80\nthe guest crashed: P0=0x6 P1=0xa/,
  ],
  [{ kind: 'triple-fault', trace: [] }, 8, /^the guest shut down by a triple fault$/],
  [{ kind: 'debug-exit', status: 33 }, 33, /^$/],
  [{ kind: 'failed', message: 'the engine stopped' }, 1, /^the engine stopped$/],
];

for (const [end, status, said] of ENDS) {
  test(`a run that ends with ${end.kind} has status ${status}`, async () => {
    const { machine, said: lines, ...run } = await started();
    machine.end(end);
    assert.equal(await run.status, status);
    assert.match(lines.join('\n'), said);
    assert.equal(machine.stops, 1);
  });
}

for (const [signal, status] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const) {
  test(`${signal} stops the machine and ends with ${status}, its listener gone`, async () => {
    const { machine, signals, status: ended } = await started();
    signals.emit(signal);
    assert.equal(await ended, status);
    assert.equal(machine.stops, 1);
    assert.equal(signals.listenerCount(signal), 0);
  });
}

test('the deadline stops the machine with 124', async () => {
  const { machine, said, status } = await started({ timeoutMs: 20 });
  assert.equal(await status, 124);
  assert.equal(machine.stops, 1);
  assert.match(said.join('\n'), /stopped after 0.02 seconds/);
});

test('on a terminal Ctrl-C reaches the guest and Ctrl-] leaves, even when the guest takes no input', async () => {
  const { machine, input, raw, said, status } = await started({}, true);
  machine.room = new Promise(() => {});
  input.write('\x03');
  input.write('abc\x1dnot this');
  assert.equal(await status, 130);
  assert.deepEqual(machine.typed, ['\x03', 'abc']);
  assert.deepEqual(raw, [true, false], 'the terminal is given back');
  assert.deepEqual(said, ['Ctrl-] leaves', 'left; the guest was stopped']);
});

test('from a pipe every byte goes in, Ctrl-] too, and no more is read while the guest has no room', async () => {
  const { machine, input, status } = await started();
  let makeRoom = (): void => {};
  machine.room = new Promise((resolve) => { makeRoom = resolve; });
  input.write('a\x1d');
  await new Promise(setImmediate);
  input.write('b');
  await new Promise(setImmediate);
  assert.deepEqual(machine.typed, ['a\x1d']);
  machine.room = undefined;
  makeRoom();
  await new Promise(setImmediate);
  assert.deepEqual(machine.typed, ['a\x1d', 'b']);
  machine.end({ kind: 'off' });
  assert.equal(await status, 0);
});

test('the end of the input does not end the run', async () => {
  const { machine, input, status } = await started();
  input.end('poweroff\n');
  await new Promise(setImmediate);
  machine.end({ kind: 'off' });
  assert.equal(await status, 0);
  assert.deepEqual(machine.typed, ['poweroff\n']);
});

test('output waits for a slow reader', async () => {
  const { machine, output, status } = await started();
  let taken = false;
  const written = Promise.resolve(machine.ports.console.output(Buffer.from('0123456789')));
  const pending = written.then(() => { taken = true; });
  await new Promise(setImmediate);
  assert.equal(taken, false);
  output.resume();
  await pending;
  machine.end({ kind: 'off' });
  assert.equal(await status, 0);
});

test('a reader that goes away ends the run', async () => {
  const { machine, output, status } = await started();
  output.destroy(new Error('EPIPE'));
  assert.equal(await status, 1);
  assert.equal(machine.stops, 1);
});

test('figures are written at the end, also of an interrupted run', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'partout-'));
  try {
    const statsFile = join(folder, 'stats.json');
    const { signals, status } = await started({ statsFile });
    signals.emit('SIGTERM');
    await status;
    const figures = JSON.parse(readFileSync(statsFile, 'utf8')) as Record<string, unknown>;
    assert.equal(figures['engine'], 'fake');
    assert.equal(figures['status'], 143);
    assert.ok(Number(figures['peakMemoryBytes']) > 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('SIGUSR1 prints live state and lets the guest run', async () => {
  const { machine, signals, said, status } = await started();
  signals.emit('SIGUSR1');
  assert.deepEqual(JSON.parse(said[0] ?? ''), { processors: [] });
  machine.end({ kind: 'off' });
  assert.equal(await status, 0);
});

test('SIGUSR2 saves the machine, which ends the run', async () => {
  const { machine, signals, status } = await started({ saveFile: join(tmpdir(), 'state') });
  signals.emit('SIGUSR2');
  assert.equal(await status, 0);
  assert.deepEqual(machine.saves, [join(tmpdir(), 'state')]);
  assert.equal(signals.listenerCount('SIGUSR2'), 0);
});

test('a state that cannot be written is said, and the run goes on; the next signal tries again', async () => {
  const { machine, signals, said, status } = await started({ saveFile: join(tmpdir(), 'state') });
  machine.refusal = new OperatingError('host', 'cannot write the state: no room');
  signals.emit('SIGUSR2');
  await new Promise((resolve) => { setImmediate(resolve); });
  assert.deepEqual(said, ['cannot write the state: no room']);
  machine.refusal = undefined;
  signals.emit('SIGUSR2');
  assert.equal(await status, 0);
  assert.equal(machine.saves.length, 2);
});

test('without --save nobody listens to SIGUSR2', async () => {
  const { machine, signals, status } = await started();
  assert.equal(signals.listenerCount('SIGUSR2'), 0);
  machine.end({ kind: 'off' });
  assert.equal(await status, 0);
});

test('a machine that cannot be made leaves no listener behind', async () => {
  const signals = new EventEmitter();
  const booting = boot({ description: DESCRIPTION }, {
    createMachine: async () => { throw new Error('not a kernel'); },
    restoreMachine: async () => assert.fail('nothing is restored'),
    streams: { input: new PassThrough(), output: new PassThrough() }, signals, say: () => {},
  });
  await assert.rejects(booting, /not a kernel/);
  assert.deepEqual(signals.eventNames(), []);
});
