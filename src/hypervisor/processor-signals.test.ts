import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeliveryMode } from './device-port.ts';
import { VpActivity, VpRegisters } from './partition-layout.ts';
import { ProcessorSignals } from './processor-signals.ts';
import { makeFixture } from './testing/fixture.ts';
import { TraceRing } from './trace-ring.ts';

const VECTOR = 0x9a;

/** Processor 1 of two, halted, with what it takes its signals by. */
function halted() {
  const fixture = makeFixture({ processorCount: 2, index: 1 });
  const { control, time, engine } = fixture;
  const activity = control.vpRegistersWord(1) + (VpRegisters.activity.offset >> 2);
  control.words[activity] = VpActivity.Halted;
  const trace = new TraceRing({ control, index: 1 });
  const reset = (): void => assert.fail('only processor 0 resets the partition');
  const signals = new ProcessorSignals({ control, index: 1, engine, time, trace, reset });
  return { ...fixture, router: fixture.processor.router, signals, activity: () => control.words[activity] };
}

test('INIT and then a start-up IPI start a processor at the page of the vector', () => {
  const { engine, router, signals, activity } = halted();
  router.deliver(1, DeliveryMode.Init, 0, false);
  router.startUp(1, VECTOR);
  signals.take();
  assert.equal(activity(), VpActivity.Running);
  assert.equal(engine.state.segments.cs.base, BigInt(VECTOR << 12));
  assert.equal(engine.state.rip, 0n);
});

test('a start-up IPI that comes while INIT is carried out counts', () => {
  const { engine, router, signals, activity } = halted();
  const reset = engine.reset.bind(engine);
  engine.reset = () => {
    reset();
    router.startUp(1, VECTOR);
  };
  router.deliver(1, DeliveryMode.Init, 0, false);
  signals.take();
  assert.equal(activity(), VpActivity.WaitForSipi);
  signals.take();
  assert.equal(activity(), VpActivity.Running);
  assert.equal(engine.state.segments.cs.base, BigInt(VECTOR << 12));
});

test('a start-up IPI to a processor that does not wait for one does nothing', () => {
  const { router, signals, activity, engine } = halted();
  router.startUp(1, VECTOR);
  signals.take();
  assert.equal(activity(), VpActivity.Halted);
  assert.equal(engine.state.segments.cs.base, 0n);
});
