import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HvMsr } from '../protocols/tlfs/msrs.ts';
import { DeliveryMode } from './device-port.ts';
import { StopReason } from './engine-port.ts';
import { PartitionEventKind, PartitionEvents } from './partition-events.ts';
import { VpActivity, VpControl, VpRegisters } from './partition-layout.ts';
import { ProcessorCommand, ProcessorRequests } from './processor-requests.ts';
import { type Fixture, makeFixture } from './testing/fixture.ts';
import type { ScriptStep } from './testing/scripted-engine.ts';

const slice: ScriptStep = () => StopReason.Slice;
const halt: ScriptStep = () => StopReason.Halt;

function enabled(options: Parameters<typeof makeFixture>[0] = {}): Fixture {
  const fixture = makeFixture(options);
  fixture.processor.apic.mmioWrite(0xfee0_00f0, 4, Int32Array.of(0x1ff, 0));
  return fixture;
}

function interrupt(fixture: Fixture, vector: number): void {
  fixture.processor.router.deliver(0, DeliveryMode.Fixed, vector, false);
}

function activity(fixture: Fixture, index = 0): number {
  return VpRegisters.activity.get(fixture.control.view, fixture.control.vpRegistersOffset(index));
}

test('interrupts go in before the slice, the highest first, the next when the guest can take it', () => {
  const fixture = enabled();
  interrupt(fixture, 0x31);
  interrupt(fixture, 0x82);
  fixture.play(
    (engine) => {
      assert.deepEqual(engine.log, [0x82]);
      engine.interruptsEnabled = false;
      return StopReason.Slice;
    },
    (engine) => {
      assert.deepEqual(engine.log, [0x82], 'class 3 waits for the end of class 8');
      engine.writeMsr(HvMsr.HV_X64_MSR_EOI, 0n);
      assert.equal(engine.windowRequested, true);
      engine.interruptsEnabled = true;
      return StopReason.InterruptWindow;
    },
    (engine) => {
      assert.deepEqual(engine.log, [0x82, 0x31]);
      return StopReason.Slice;
    },
  );
});

test('the window is given up when there is nothing left to deliver', () => {
  const fixture = enabled();
  interrupt(fixture, 0x31);
  fixture.engine.interruptsEnabled = false;
  fixture.play(
    (engine) => {
      assert.equal(engine.windowRequested, true);
      engine.interruptsEnabled = true;
      return StopReason.InterruptWindow;
    },
    (engine) => {
      assert.deepEqual([engine.windowRequested, engine.log], [false, [0x31]]);
      return StopReason.Slice;
    },
  );
});

test('the window is given up when the guest raises its priority above what waits', () => {
  const fixture = enabled();
  interrupt(fixture, 0x31);
  fixture.engine.interruptsEnabled = false;
  fixture.play(
    (engine) => {
      assert.equal(engine.windowRequested, true);
      engine.intercepts.writeCr8(3);
      return StopReason.Slice;
    },
    (engine) => {
      assert.equal(engine.windowRequested, false);
      return StopReason.Slice;
    },
  );
});

test('an interrupt raised by an instruction asks for a window in the middle of the slice', () => {
  const fixture = enabled({ io: { portWrite: () => interrupt(fixture, 0x24) } });
  fixture.play((engine) => {
    engine.intercepts.portWrite(0x3f8, 1, 0x41);
    assert.equal(engine.windowRequested, true);
    return StopReason.Slice;
  });
});

test('lowering CR8 lets a held interrupt through', () => {
  const fixture = enabled();
  fixture.play(
    (engine) => {
      engine.intercepts.writeCr8(5);
      interrupt(fixture, 0x51);
      return StopReason.Slice;
    },
    (engine) => {
      assert.deepEqual([engine.log, engine.windowRequested], [[], false]);
      engine.intercepts.writeCr8(4);
      assert.equal(engine.windowRequested, true);
      return StopReason.InterruptWindow;
    },
    (engine) => {
      assert.deepEqual(engine.log, [0x51]);
      return StopReason.Slice;
    },
  );
});

test('a timer that comes due between two slices fires before the second', () => {
  const fixture = enabled();
  fixture.play(
    (engine) => {
      engine.writeMsr(HvMsr.HV_X64_MSR_STIMER0_CONFIG, 0x1ed9n);
      engine.writeMsr(HvMsr.HV_X64_MSR_STIMER0_CONFIG + 1, 10n);
      fixture.clock.advance(1000);
      return StopReason.Slice;
    },
    (engine) => {
      assert.deepEqual(engine.log, [0xed]);
      return StopReason.Slice;
    },
  );
});

test('a halted processor waits for its timer, and halts again when it woke for nothing', () => {
  const fixture = enabled();
  const waits: number[] = [];
  // The test's clock moves only when the processor waits: Atomics.wait is what a halted processor does.
  const wait = Atomics.wait;
  Atomics.wait = ((_array: Int32Array, _at: number, _value: number, timeoutMs?: number) => {
    waits.push(timeoutMs as number);
    fixture.clock.advance((timeoutMs as number) * 1e6);
    return 'timed-out';
  }) as typeof Atomics.wait;
  try {
    fixture.play(
      (engine) => {
        engine.writeMsr(HvMsr.HV_X64_MSR_STIMER0_CONFIG, 0x1ed9n);
        engine.writeMsr(HvMsr.HV_X64_MSR_STIMER0_CONFIG + 1, 40_000n);
        return StopReason.Halt;
      },
      (engine) => {
        assert.deepEqual(engine.log, [0xed]);
        return StopReason.Slice;
      },
    );
  } finally {
    Atomics.wait = wait;
  }
  assert.deepEqual(waits, [4]);
});

test('HLT with interrupts disabled is idle: only an NMI ends it', () => {
  const fixture = enabled();
  fixture.play(
    (engine) => {
      engine.interruptsEnabled = false;
      interrupt(fixture, 0x40);
      fixture.processor.router.deliver(0, DeliveryMode.Nmi, 0, false);
      return StopReason.Halt;
    },
    (engine) => {
      assert.deepEqual(engine.log, [-2]);
      return StopReason.Slice;
    },
  );
});

test('GUEST_IDLE waits for an interrupt even while the guest cannot take it', () => {
  const fixture = enabled();
  fixture.play(
    (engine) => {
      engine.interruptsEnabled = false;
      assert.equal(engine.readMsr(HvMsr.HV_X64_MSR_GUEST_IDLE), 0n);
      assert.equal(engine.run(), StopReason.Kick, 'the read makes the engine return');
      interrupt(fixture, 0x40);
      return StopReason.Slice;
    },
    (engine) => {
      assert.deepEqual(engine.log, []);
      return StopReason.Slice;
    },
  );
});

test('a triple fault shuts the processor down and is reported', () => {
  const fixture = enabled();
  fixture.play(() => StopReason.TripleFault);
  const event = new PartitionEvents(fixture.control).take();
  assert.deepEqual([event?.kind, event?.processor], [PartitionEventKind.TripleFault, 0]);
  assert.equal(activity(fixture), VpActivity.ShutDown);
});

test('writing RESET stops the processor in its tracks and is reported', () => {
  const fixture = enabled();
  interrupt(fixture, 0x90);
  fixture.play((engine) => {
    engine.writeMsr(HvMsr.HV_X64_MSR_RESET, 1n);
    assert.equal(engine.run(), StopReason.Kick);
    return StopReason.Slice;
  });
  assert.equal(new PartitionEvents(fixture.control).take()?.kind, PartitionEventKind.Reset);
  assert.equal(activity(fixture), VpActivity.ShutDown);
});

test('a parked processor stops, and says nothing', () => {
  const fixture = enabled({ io: { portWrite: () => fixture.processor.park() } });
  interrupt(fixture, 0x90);
  fixture.play((engine) => {
    engine.intercepts.portWrite(0x604, 2, 0x2000);
    assert.equal(engine.run(), StopReason.Kick);
    return StopReason.Slice;
  });
  assert.equal(activity(fixture), VpActivity.ShutDown);
  assert.equal(new PartitionEvents(fixture.control).take(), undefined);
});

test('a processor other than the first waits for its start-up IPI, and starts where it points', () => {
  const fixture = enabled({ processorCount: 2, index: 1 });
  fixture.processor.router.startUp(1, 0x9a);
  fixture.play((engine) => {
    assert.deepEqual(engine.state.segments.cs, { selector: 0x9a00, base: 0x9a000n, limit: 0xffff, attributes: 0x93 });
    assert.equal(engine.state.rip, 0n);
    return StopReason.Slice;
  });
});

test('INIT resets a processor and makes it wait', () => {
  const fixture = enabled({ processorCount: 2, index: 1 });
  const { router, apic } = fixture.processor;
  router.startUp(1, 0x9a);
  fixture.play(
    () => {
      apic.taskPriority = 0x20;
      router.deliver(1, DeliveryMode.Init, 0, false);
      router.startUp(1, 0x9b);
      return StopReason.Slice;
    },
    (engine) => {
      assert.deepEqual(engine.log, [-1]);
      assert.equal(apic.taskPriority, 0);
      assert.equal(engine.state.segments.cs.selector, 0x9b00);
      return StopReason.Slice;
    },
  );
});

test('INIT of the boot processor is a reset of the partition', () => {
  const fixture = enabled();
  fixture.play(() => {
    fixture.processor.router.deliver(0, DeliveryMode.Init, 0, false);
    return StopReason.Slice;
  });
  // The loop ended by the stop command before it looked at signals; the next run does.
  assert.equal(activity(fixture), VpActivity.Running);
  const requests = new ProcessorRequests({ control: fixture.control, index: 0 });
  const events = new PartitionEvents(fixture.control);
  const post = Atomics.wait;
  Atomics.wait = (() => {
    requests.give(ProcessorCommand.Stop);
    return 'not-equal';
  }) as typeof Atomics.wait;
  try {
    requests.give(ProcessorCommand.Run);
    fixture.processor.run();
  } finally {
    Atomics.wait = post;
  }
  assert.equal(events.take()?.kind, PartitionEventKind.Reset);
});

test('each return of the engine counts as progress, and its time as the processor\'s', () => {
  const fixture = enabled();
  fixture.play(slice, () => {
    fixture.clock.advance(2500);
    return StopReason.Slice;
  });
  assert.equal(VpControl.progress.get(fixture.control.view, fixture.control.vpControlWord(0) * 4), 2);
  assert.equal(fixture.engine.readMsr(HvMsr.HV_X64_MSR_VP_RUNTIME), 25n);
});

test('a halted processor is not run', () => {
  const fixture = enabled();
  fixture.play(halt);
  assert.equal(activity(fixture), VpActivity.Halted);
});

test('the register page and everything else at an address are told apart', () => {
  const seen: number[] = [];
  const fixture = enabled({ io: { mmioRead: (gpa, _size, data) => { seen.push(gpa); data[0] = 7; data[1] = 0; } } });
  const { engine } = fixture;
  engine.intercepts.mmioRead(0xfee0_0030, 4);
  assert.equal(engine.data[0], 0x5_0014);
  engine.intercepts.mmioRead(0xfec0_0000, 4);
  assert.equal(engine.data[0], 7);
  assert.deepEqual(seen, [0xfec0_0000]);
});
