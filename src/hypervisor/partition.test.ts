/** The owner and its processors on real threads: this file is also what the processors' threads run. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import fc from 'fast-check';
import { HostClock } from '../kit/clock.ts';
import { HvMsr } from '../protocols/tlfs/msrs.ts';
import { DeliveryMode } from './device-port.ts';
import { type ProcessorEngine, StopReason } from './engine-port.ts';
import { GuestMemory } from './guest-memory.ts';
import { InterruptRouter } from './interrupt-router.ts';
import { ControlBuffer } from './control-buffer.ts';
import { type PartitionEvent, PartitionEventKind } from './partition-events.ts';
import { VpActivity, VpControl, VpRegisters } from './partition-layout.ts';
import { PARTITION_STATE_VERSION, readControlState, writeControlState } from './partition-state.ts';
import { Partition } from './partition.ts';
import { resetControl } from './testing/fixture.ts';
import { emptyProcessorState, ScriptedEngine, type ScriptStep } from './testing/scripted-engine.ts';
import { VirtualProcessor } from './virtual-processor.ts';

const NO_MESSAGES = { posted: [], queued: [] };

type Program = 'spin' | 'listen' | 'timer' | 'stuck' | 'reset';
interface ProcessorData { control: SharedArrayBuffer; index: number; program: Program }

/** A guest that enables its APIC, does its program, and reports each vector it gets as a crash. */
function guestOf(program: Program): ScriptStep {
  let started = false;
  return (engine) => {
    if (program === 'stuck') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    if (!started) {
      engine.data[0] = 0x1ff;
      engine.intercepts.mmioWrite(0xfee0_00f0, 4);
      if (program === 'timer') {
        engine.writeMsr(HvMsr.HV_X64_MSR_STIMER0_CONFIG, 0x1ed9n);
        const now = engine.readMsr(HvMsr.HV_X64_MSR_TIME_REF_COUNT) as bigint;
        engine.writeMsr(HvMsr.HV_X64_MSR_STIMER0_CONFIG + 1, now + 20_000n);
      }
      started = true;
    }
    for (const vector of engine.log.splice(0).filter((entry) => entry >= 0)) {
      engine.writeMsr(HvMsr.HV_X64_MSR_EOI, 0n);
      engine.writeMsr(HvMsr.HV_X64_MSR_CRASH_P0, BigInt.asUintN(64, BigInt(vector)));
      engine.writeMsr(HvMsr.HV_X64_MSR_CRASH_CTL, 1n << 63n);
    }
    if (program === 'reset') engine.writeMsr(HvMsr.HV_X64_MSR_RESET, 1n);
    return program === 'spin' || program === 'reset' ? StopReason.Slice : StopReason.Halt;
  };
}

function runProcessor({ control, index, program }: ProcessorData): void {
  const memory = new GuestMemory(new SharedArrayBuffer(65536), [{ gpa: 0, sizeBytes: 65536, offset: 0 }]);
  const step = guestOf(program);
  const io = {
    portRead: () => -1, portWrite: () => undefined, mmioRead: () => undefined, mmioWrite: () => undefined,
    endOfInterrupt: () => undefined,
  };
  new VirtualProcessor({
    control, index, memory, io, clock: new HostClock(),
    engineFactory: (intercepts): ProcessorEngine => {
      const script: ScriptStep[] = [];
      const again: ScriptStep = (engine) => {
        script.push(again);
        return step(engine);
      };
      script.push(again);
      return new ScriptedEngine(intercepts, script);
    },
  }).run();
}

function makePartition(context: TestContext, program: Program, processorCount = 1) {
  const workers: Worker[] = [];
  const terminated: number[] = [];
  const events: PartitionEvent[] = [];
  let heard: (event: PartitionEvent) => void = () => undefined;
  const partition: Partition = new Partition({
    processorCount, clock: new HostClock(),
    threads: {
      start(index) {
        const data: ProcessorData = { control: partition.control, index, program };
        workers[index] = new Worker(new URL(import.meta.url), { workerData: data });
      },
      async terminate(index) {
        terminated.push(index);
        await workers[index]?.terminate();
      },
    },
    onEvent: (event) => {
      events.push(event);
      heard(event);
    },
  });
  const nextEvent = () => new Promise<PartitionEvent>((resolve) => { heard = resolve; });
  context.after(() => partition.stop(0));
  return { partition, workers, terminated, events, nextEvent };
}

/** The engine of processor `index` executes guest code. */
function isRunning(partition: Partition, index: number): boolean {
  const control = new ControlBuffer(partition.control);
  return Atomics.load(control.words, control.vpControlWord(index) + (VpControl.running.offset >> 2)) !== 0;
}

function ownerTests(): void {
  test('pausing stops guest code and virtual time, resuming lets both go on', async (context) => {
    const { partition } = makePartition(context, 'spin', 2);
    await partition.create();
    assert.equal(partition.progress(0), 0);
    assert.equal(partition.time.nowNs(), 0);
    await partition.start();
    while (partition.progress(0) < 10) await new Promise((resolve) => setTimeout(resolve, 1));
    await partition.pause();
    const progress = partition.progress(0);
    const time = partition.time.nowNs();
    assert.ok(time > 0);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual([partition.progress(0), partition.time.nowNs()], [progress, time]);
    assert.equal(partition.progress(1), 0, 'the second processor waits for its start-up IPI');
    await partition.resume();
    while (partition.progress(0) === progress) await new Promise((resolve) => setTimeout(resolve, 1));
    await partition.stop(10_000);
  });

  test('an interrupt from another thread wakes a halted processor', async (context) => {
    const { partition, nextEvent, terminated } = makePartition(context, 'listen');
    await partition.create();
    await partition.start();
    while (partition.activity(0) !== VpActivity.Halted) await new Promise((resolve) => setTimeout(resolve, 1));
    for (const vector of [0x55, 0x56]) {
      const event = nextEvent();
      partition.interrupts.sendInterrupt(0, false, DeliveryMode.Fixed, vector, false);
      assert.deepEqual((await event).crashParameters[0], BigInt(vector));
    }
    await partition.stop(10_000);
    assert.deepEqual(terminated, []);
  });

  test('a halted processor wakes for its timer', async (context) => {
    const { partition, nextEvent } = makePartition(context, 'timer');
    const event = nextEvent();
    await partition.create();
    await partition.start();
    assert.equal((await event).crashParameters[0], 0xedn);
    assert.ok(partition.time.nowNs() >= 2_000_000);
  });

  test('a reset guest is reported, and starts over when its owner has reset it', async (context) => {
    const { partition, nextEvent } = makePartition(context, 'reset');
    const first = nextEvent();
    await partition.create();
    await partition.start();
    assert.equal((await first).kind, PartitionEventKind.Reset);
    assert.equal(partition.activity(0), VpActivity.ShutDown);
    await partition.reset();
    assert.equal(partition.activity(0), VpActivity.Running);
    assert.equal(partition.phase, 'paused');
    const second = nextEvent();
    await partition.start();
    assert.equal((await second).kind, PartitionEventKind.Reset);
  });

  test('a thread that does not answer is terminated at the deadline', async (context) => {
    const { partition, terminated, workers } = makePartition(context, 'stuck');
    await partition.create();
    await partition.start();
    while (!isRunning(partition, 0)) await new Promise((resolve) => { setTimeout(resolve, 1); });
    const paused = assert.rejects(partition.pause(), /stopped meanwhile/);
    await partition.stop(20);
    await paused;
    assert.deepEqual(terminated, [0]);
    assert.equal(workers[0]?.threadId, -1);
  });

  test('a thread that fails is told to whoever waits for it', async () => {
    const partition = new Partition({
      processorCount: 1, clock: new HostClock(), onEvent: () => undefined,
      threads: {
        start: (index) => partition.processorFailed(index, new Error('no engine')), terminate: () => undefined,
      },
    });
    await assert.rejects(partition.create(), /no engine/);
    await partition.stop(0);
  });

  test('operations say what they need', async () => {
    const partition = new Partition({
      processorCount: 1, clock: new HostClock(), onEvent: () => undefined,
      threads: { start: () => undefined, terminate: () => undefined },
    });
    await assert.rejects(partition.start(), /cannot start: the partition is new, and must be paused/);
    await assert.rejects(partition.pause(), /must be running/);
  });

  test('a saved partition restored into another is the same', async (context) => {
    const from = makePartition(context, 'timer').partition;
    await from.create();
    const boot = { ...emptyProcessorState(), rip: 0xffff_ffff_8100_0000n };
    await from.loadProcessor(0, { ...boot, msrs: [[0xc000_0080, 0xd01n]] });
    await from.start();
    while (from.progress(0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await from.pause();
    const state = await from.saveState();
    assert.equal(state.processors[0]?.engine.rip, 0xffff_ffff_8100_0000n);

    const to = makePartition(context, 'listen').partition;
    await to.create();
    await to.restoreState(structuredClone(state));
    assert.deepEqual(await to.saveState(), state);
    assert.equal(to.time.nowNs(), state.timeNs);
  });

  test('every byte of the saved blocks survives a round trip', () => {
    const size = VpRegisters.$size;
    fc.assert(fc.property(fc.uint8Array({ minLength: size, maxLength: size }), (bytes) => {
      const from = resetControl(2);
      new Uint8Array(from.buffer, from.vpRegistersOffset(1), size).set(bytes.map((byte) => byte & 0x7e));
      const { partition, processors } = readControlState(from);
      const to = ControlBuffer.create(2);
      writeControlState(to, {
        version: PARTITION_STATE_VERSION, timeNs: 0, partition, messages: NO_MESSAGES,
        processors: processors.map((registers) => ({ registers, engine: emptyProcessorState() })),
      });
      for (const index of [0, 1]) {
        assert.deepEqual(new Uint8Array(to.buffer, to.vpRegistersOffset(index), size),
          new Uint8Array(from.buffer, from.vpRegistersOffset(index), size));
      }
    }), { numRuns: 20 });
  });

  test('a state that does not fit is refused in a sentence', () => {
    const control = resetControl(2);
    const { partition } = readControlState(control);
    const state = { version: 1, timeNs: 0, partition, messages: NO_MESSAGES, processors: [] };
    assert.throws(() => writeControlState(control, { ...state, version: 2 }), /has version 2; .* version 1/);
    assert.throws(() => writeControlState(control, state), /has 0 processors, the partition 2/);
  });

  test('two threads that post to one processor lose no interrupt', async () => {
    const control = resetControl();
    VpRegisters.spuriousVector.set(control.view, control.vpRegistersOffset(0), 0x1ff);
    const url = new URL(import.meta.url);
    const half = (parity: number) => new Worker(url, { workerData: { post: control.buffer, parity } });
    const [even, odd] = [half(0), half(1)];
    await Promise.all([once(even, 'exit'), once(odd, 'exit')]);
    const requested = VpRegisters.irr.get(control.view, control.vpRegistersOffset(0));
    assert.deepEqual([...requested], [0, 0, ...new Array<number>(30).fill(0xff)]);
  });
}

if (isMainThread) ownerTests();
else if ('post' in workerData) {
  const { post, parity } = workerData as { post: SharedArrayBuffer; parity: number };
  const router = new InterruptRouter({ control: new ControlBuffer(post) });
  for (let vector = 16 + parity; vector < 256; vector += 2) {
    router.deliver(0, DeliveryMode.Fixed, vector, false);
  }
} else runProcessor(workerData as ProcessorData);
