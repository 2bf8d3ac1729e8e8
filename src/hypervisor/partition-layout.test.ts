import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ControlBuffer } from './control-buffer.ts';
import {
  controlBufferSize, EVENT_COUNT, EVENT_SIZE, EVENTS_OFFSET, MAX_PROCESSORS, PARTITION_REGISTERS_OFFSET,
  PartitionControl, PartitionRegisters, PROCESSORS_OFFSET, traceOffset, VP_REGISTERS_OFFSET, MAILBOX_OFFSET, VpControl,
  VpRegisters,
} from './partition-layout.ts';

test('each word is aligned for the atomics and doubles that use it', () => {
  for (const layout of [PartitionControl, PartitionRegisters, VpControl, VpRegisters]) {
    for (const [name, field] of Object.entries(layout)) {
      if (typeof field !== 'object') continue;
      const { offset, size } = field as { offset: number; size: number };
      assert.equal(offset % (size === 4 ? 4 : 8) === 0 || size > 8 && offset % 4 === 0, true, `${name} at ${offset}`);
    }
  }
  assert.equal(VpRegisters.stimerDeadlineNs.offset % 8, 0);
});

test('the blocks do not overlap', () => {
  assert.ok(PartitionControl.$size <= PARTITION_REGISTERS_OFFSET);
  assert.ok(PARTITION_REGISTERS_OFFSET + PartitionRegisters.$size <= EVENTS_OFFSET);
  assert.ok(EVENTS_OFFSET + EVENT_COUNT * EVENT_SIZE <= PROCESSORS_OFFSET);
  assert.ok(VpControl.$size <= VP_REGISTERS_OFFSET);
  assert.ok(VP_REGISTERS_OFFSET + VpRegisters.$size <= MAILBOX_OFFSET);
});

test('64 processors fit, 65 are refused', () => {
  const control = ControlBuffer.create(MAX_PROCESSORS, 16);
  assert.equal(control.buffer.byteLength, controlBufferSize(64, 16));
  assert.equal(control.mailbox(63).byteOffset + control.mailbox(63).length, traceOffset(0, 64, 16));
  assert.throws(() => ControlBuffer.create(65), /1 to 64 processors, not 65/);
  assert.throws(() => ControlBuffer.create(1, 3), /power of two/);
  assert.throws(() => new ControlBuffer(new SharedArrayBuffer(4096)), /not a control buffer/);
});
