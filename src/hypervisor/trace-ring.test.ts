import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HvMsr } from '../protocols/tlfs/msrs.ts';
import { StopReason } from './engine-port.ts';
import { makeFixture } from './testing/fixture.ts';
import { setTracing, traceLines } from './trace-ring.ts';

test('a trace tells what happened by name, in order', () => {
  const fixture = makeFixture({ traceEntries: 64 });
  setTracing(fixture.control, true);
  fixture.play((engine) => {
    fixture.clock.advance(1500);
    engine.readMsr(HvMsr.HV_X64_MSR_TSC_FREQUENCY);
    engine.writeMsr(HvMsr.HV_X64_MSR_SINT0 + 2, 0xfn);
    engine.writeMsr(0x1234, 1n);
    engine.state.gpr[1] = 0x5cn;
    engine.intercepts.hypercall();
    engine.intercepts.portWrite(0x3f8, 1, 0x41);
    engine.intercepts.cpuid(0x4000_0001, 0);
    return StopReason.Halt;
  });
  const lines = traceLines(fixture.control, 0);
  assert.deepEqual(lines.map((line) => line.trim().replace(/^([\d.]+) us /, '')), [
    'vp0 rdmsr HV_X64_MSR_TSC_FREQUENCY = 0x3b9aca00',
    'vp0 wrmsr HV_X64_MSR_SINT2 = 0xf #GP',
    'vp0 wrmsr 0x1234 = 0x1 #GP',
    'vp0 HvCallPostMessage -> status 0x5',
    'vp0 out1 0x3f8 = 0x41',
    'vp0 cpuid 0x40000001.0x0 = eax 0x31237648 ebx 0x0',
    'vp0 stop Halt',
    'vp0 command 6',
  ].toSpliced(0, 0, 'vp0 command 1'));
  assert.match(lines[1] as string, /^ +1\.500 us vp0 rdmsr/);
});

test('a full ring keeps the newest entries', () => {
  const { engine, control } = makeFixture({ traceEntries: 4 });
  setTracing(control, true);
  for (let i = 0; i < 10; i++) engine.intercepts.portWrite(i, 1, 0);
  assert.deepEqual(traceLines(control, 0).map((line) => line.split(' ').at(-3)), ['0x6', '0x7', '0x8', '0x9']);
});

test('a console that writes for long does not push out what came before', () => {
  const { engine, control } = makeFixture({ traceEntries: 64 });
  setTracing(control, true);
  engine.intercepts.cpuid(0x4000_0001, 0);
  for (let i = 0; i < 1000; i++) {
    engine.intercepts.portRead(0x3fd, 1);
    engine.intercepts.portWrite(0x3f8, 1, i & 0xff);
  }
  engine.intercepts.cpuid(0x4000_0002, 0);
  engine.intercepts.portWrite(0x3f8, 1, 0x41);
  const lines = traceLines(control, 0);
  assert.match(lines[0] as string, /cpuid 0x40000001/);
  assert.match(lines.at(-4) as string, /in1 0x3fd = .* \(the last of 993\)$/);
  assert.match(lines.at(-3) as string, /out1 0x3f8 = 0xe7 \(the last of 993\)$/);
  assert.match(lines.at(-1) as string, /out1 0x3f8 = 0x41$/);
});

test('nothing is traced while tracing is off or there is no ring', () => {
  const off = makeFixture({ traceEntries: 4 });
  off.engine.intercepts.portWrite(1, 1, 0);
  assert.deepEqual(traceLines(off.control, 0), []);
  const none = makeFixture();
  setTracing(none.control, true);
  none.engine.intercepts.portWrite(1, 1, 0);
  assert.deepEqual(traceLines(none.control, 0), []);
});
