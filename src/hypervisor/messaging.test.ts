import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HvStatus } from '../protocols/tlfs/hypercalls.ts';
import { HvMsr } from '../protocols/tlfs/msrs.ts';
import { Connections } from './connections.ts';
import { CONNECTION_COUNT, POSTED_COUNT, QUEUE_COUNT } from './messaging-layout.ts';
import { readControlState, writeControlState } from './partition-state.ts';
import { PostResult, SynicPort } from './synic-port.ts';
import { makeFixture, resetControl, type Fixture } from './testing/fixture.ts';
import { StopReason } from './engine-port.ts';

const SIMP = 0x4000;
const SIEFP = 0x5000;
const SLOT = SIMP + 2 * 256;
const INPUT = 0x6000;
const BELL = 3;

interface Bench extends Fixture {
  readonly connections: Connections;
  readonly port: SynicPort;
}

/** A guest that has set up its SynIC as Linux does: SINT 2 with vector 0xF3. */
function listening(): Bench {
  const fixture = makeFixture();
  const { engine, control, processor } = fixture;
  assert.equal(engine.writeMsr(HvMsr.HV_X64_MSR_SIMP, BigInt(SIMP | 1)), true);
  engine.writeMsr(HvMsr.HV_X64_MSR_SIEFP, BigInt(SIEFP | 1));
  engine.writeMsr(HvMsr.HV_X64_MSR_SINT0 + 2, 0xf3n);
  engine.writeMsr(HvMsr.HV_X64_MSR_SCONTROL, 1n);
  const connections = new Connections(control);
  return { ...fixture, connections, port: new SynicPort({ control, router: processor.router }) };
}

function enableApic({ engine }: Fixture): void {
  engine.data[0] = 0x1ff;
  engine.data[1] = 0;
  engine.intercepts.mmioWrite(0xfee0_00f0, 4);
}

function call(fixture: Fixture, control: bigint, rdx: bigint): number {
  fixture.engine.state.gpr[1] = control;
  fixture.engine.state.gpr[2] = rdx;
  fixture.engine.intercepts.hypercall();
  return fixture.engine.readRegister(0).low;
}

function post(fixture: Fixture, values: { id: number; type?: number; size?: number; payload?: number[] }): number {
  const input = new Uint8Array(256);
  const view = new DataView(input.buffer);
  view.setUint32(0, values.id, true);
  view.setUint32(8, values.type ?? 1, true);
  view.setUint32(12, values.size ?? values.payload?.length ?? 8, true);
  input.set(values.payload ?? [], 16);
  fixture.memory.write(INPUT, input);
  return call(fixture, 0x5cn, BigInt(INPUT));
}

const text = (n: number): Uint8Array => Uint8Array.of(n, n, n, n);

test('a posted message reaches the thread of its connection, and only what is valid is taken', () => {
  const bench = listening();
  bench.connections.openMessages(4, BELL);
  bench.connections.openEvents(5, BELL);
  assert.equal(post(bench, { id: 4, payload: [1, 2, 3] }), HvStatus.Success);
  assert.equal(bench.connections.doorbell(BELL).answer(), true);
  assert.deepEqual(bench.connections.takeMessage(), {
    connectionId: 4, processor: 0, messageType: 1, payload: Uint8Array.of(1, 2, 3),
  });
  assert.equal(bench.connections.takeMessage(), undefined);
  const refused: [Parameters<typeof post>[1], HvStatus][] = [
    [{ id: 3 }, HvStatus.InvalidConnectionId], [{ id: 5 }, HvStatus.InvalidConnectionId],
    [{ id: CONNECTION_COUNT }, HvStatus.InvalidConnectionId], [{ id: 0xffff_ffff }, HvStatus.InvalidConnectionId],
    [{ id: 0x0100_0004 }, HvStatus.InvalidConnectionId], [{ id: 4, size: 241 }, HvStatus.InvalidParameter],
    [{ id: 4, size: 0xffff_ffff }, HvStatus.InvalidParameter], [{ id: 4, type: 0 }, HvStatus.InvalidParameter],
    [{ id: 4, type: 0x8000_0010 }, HvStatus.InvalidParameter],
  ];
  for (const [values, status] of refused) assert.equal(post(bench, values), status, JSON.stringify(values));
  assert.equal(bench.connections.doorbell(BELL).answer(), false);
  assert.equal(post(bench, { id: 4, size: 240 }), HvStatus.Success);
  assert.equal(call(bench, 0x1_005cn, 0n), HvStatus.InvalidHypercallInput);
});

test('messages that nobody takes are refused once the ring is full', () => {
  const bench = listening();
  bench.connections.openMessages(1, BELL);
  for (let i = 0; i < POSTED_COUNT; i++) assert.equal(post(bench, { id: 1 }), HvStatus.Success);
  assert.equal(post(bench, { id: 1 }), HvStatus.InsufficientBuffers);
  bench.connections.takeMessage();
  assert.equal(post(bench, { id: 1 }), HvStatus.Success);
});

test('a signalled event is seen once by the thread of its connection', () => {
  const bench = listening();
  bench.connections.openEvents(2048 + 7, BELL);
  bench.connections.openEvents(2048 + 31, BELL);
  const seen: number[] = [];
  const take = (): number[] => {
    seen.length = 0;
    bench.connections.takeSignals(BELL, (id) => seen.push(id));
    return seen;
  };
  assert.equal(call(bench, 0x1_005dn, 2055n), HvStatus.Success);
  assert.equal(call(bench, 0x1_005dn, 2055n), HvStatus.Success);
  assert.equal(call(bench, 0x1_005dn, 2079n), HvStatus.Success);
  assert.equal(bench.connections.doorbell(BELL).answer(), true);
  assert.deepEqual(take(), [2055, 2079]);
  assert.deepEqual(take(), []);
  assert.equal(call(bench, 0x1_005dn, 2056n), HvStatus.InvalidConnectionId);
  assert.equal(call(bench, 0x1_005dn, 2055n | (1n << 32n)), HvStatus.InvalidParameter);
  assert.equal(call(bench, 0x1_005dn, 2055n), HvStatus.Success);
  bench.connections.close(2055);
  assert.deepEqual(take(), [], 'a closed connection forgets what it was signalled');
  assert.equal(call(bench, 0x1_005dn, 2055n), HvStatus.InvalidConnectionId);
});

test('messages reach the slot in order, one an EOM, with the guest asked for EOM while more wait', () => {
  const bench = listening();
  enableApic(bench);
  for (const n of [1, 2, 3]) assert.equal(bench.port.postMessage(0, 2, 1, text(n), BELL), PostResult.Queued);
  const slot = (): number[] => [...bench.memory.read(SLOT, 20) as Uint8Array];
  const empty = (): void => { bench.memory.fill(SLOT, 4, 0); };
  const header = (flags: number): number[] => [1, 0, 0, 0, 4, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  bench.play((engine) => {
    assert.deepEqual(engine.log, [0xf3]);
    assert.deepEqual(slot(), [...header(1), 1, 1, 1, 1]);
    empty();
    engine.writeMsr(HvMsr.HV_X64_MSR_EOM, 0n);
    assert.deepEqual(slot(), [...header(1), 2, 2, 2, 2]);
    // The guest empties the slot without EOM: the next look at the queue finds it free.
    empty();
    engine.writeMsr(HvMsr.HV_X64_MSR_EOI, 0n);
    return StopReason.Slice;
  }, () => {
    assert.deepEqual(slot(), [...header(0), 3, 3, 3, 3]);
    return StopReason.Slice;
  });
});

test('a full queue rings the sender when there is room again', () => {
  const bench = listening();
  for (let i = 0; i < QUEUE_COUNT; i++) {
    assert.equal(bench.port.postMessage(0, 2, 1, text(i), BELL), PostResult.Queued);
  }
  assert.equal(bench.port.postMessage(0, 2, 1, text(99), BELL), PostResult.Full);
  assert.equal(bench.connections.doorbell(BELL).answer(), false);
  bench.engine.writeMsr(HvMsr.HV_X64_MSR_EOM, 0n);
  assert.equal(bench.connections.doorbell(BELL).answer(), true);
  assert.equal(bench.port.postMessage(0, 2, 1, text(99), BELL), PostResult.Queued);
});

test('nobody listens on a masked SINT, without a page, or on a processor that is not there', () => {
  const bench = listening();
  assert.equal(bench.port.postMessage(1, 2, 1, text(1), BELL), PostResult.NoListener);
  assert.equal(bench.port.postMessage(0, 16, 1, text(1), BELL), PostResult.NoListener);
  assert.equal(bench.port.postMessage(0, 3, 1, text(1), BELL), PostResult.NoListener);
  assert.equal(bench.port.postMessage(0, 2, 1, text(1), BELL), PostResult.Queued);
  bench.engine.writeMsr(HvMsr.HV_X64_MSR_SIMP, 0n);
  bench.engine.writeMsr(HvMsr.HV_X64_MSR_EOM, 0n);
  bench.engine.writeMsr(HvMsr.HV_X64_MSR_SIMP, BigInt(SIMP | 1));
  bench.engine.writeMsr(HvMsr.HV_X64_MSR_EOM, 0n);
  assert.deepEqual([...bench.memory.read(SLOT, 4) as Uint8Array], [0, 0, 0, 0], 'dropped while nobody listened');
});

test('an event flag raises its SINT only when it was clear', () => {
  const bench = listening();
  enableApic(bench);
  const flags = (at: number): number | undefined => bench.memory.read(SIEFP + 2 * 256 + at, 1)?.[0];
  const endOfInterrupt = (): void => { bench.engine.writeMsr(HvMsr.HV_X64_MSR_EOI, 0n); };
  bench.port.signalEvent(0, 2, 37);
  assert.equal(flags(4), 0, 'only the processor writes its page');
  bench.play(({ log }) => {
    assert.deepEqual(log, [0xf3]);
    assert.equal(flags(4), 1 << 5);
    endOfInterrupt();
    bench.port.signalEvent(0, 2, 37);
    return StopReason.Slice;
  }, ({ log }) => {
    assert.deepEqual(log, [0xf3], 'the guest has not looked at it yet');
    bench.memory.fill(SIEFP + 2 * 256, 256, 0);
    bench.port.signalEvent(0, 2, 37);
    bench.port.signalEvent(0, 2, 2047);
    return StopReason.Slice;
  }, ({ log }) => {
    assert.deepEqual(log, [0xf3, 0xf3]);
    assert.deepEqual([flags(4), flags(255)], [1 << 5, 0x80]);
    for (const [vp, sint, flag] of [[0, 2, 2048], [0, 2, -1], [7, 2, 1], [0, 16, 1], [0, 3, 1]] as const) {
      bench.port.signalEvent(vp, sint, flag);
    }
    return StopReason.Slice;
  }, () => {
    assert.equal(bench.memory.read(SIEFP + 3 * 256, 1)?.[0], 0);
    return StopReason.Slice;
  });
});

test('a flag that is signalled while the guest clears another of its word is not lost', () => {
  const bench = listening();
  enableApic(bench);
  bench.port.signalEvent(0, 2, 1);
  bench.play(() => {
    // The guest's locked instruction, as an engine of one processor executes it: read, then write.
    const word = bench.memory.view.getUint32(SIEFP + 2 * 256, true);
    bench.port.signalEvent(0, 2, 2);
    bench.memory.view.setUint32(SIEFP + 2 * 256, word & ~2, true);
    return StopReason.Slice;
  }, () => {
    assert.equal(bench.memory.view.getUint32(SIEFP + 2 * 256, true), 4);
    return StopReason.Slice;
  });
});

test('messages on their way survive a save, and a reset drops them', () => {
  const bench = listening();
  bench.connections.openMessages(4, BELL);
  post(bench, { id: 4, payload: [9] });
  bench.port.postMessage(0, 2, 1, text(5), BELL);
  const { partition, processors, messages } = readControlState(bench.control);
  assert.equal(messages.queued[0]?.sint, 2);
  const other = resetControl(1);
  writeControlState(other, {
    version: 1, timeNs: 0, partition, messages,
    processors: processors.map((registers) => ({ registers, engine: bench.engine.state })),
  });
  assert.deepEqual(readControlState(other).messages, messages);
  assert.deepEqual(new Connections(other).takeMessage()?.payload, Uint8Array.of(9));
});
