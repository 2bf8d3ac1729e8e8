import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PartitionEventKind, PartitionEvents } from './partition-events.ts';
import { EVENT_COUNT, PartitionControl } from './partition-layout.ts';
import { resetControl } from './testing/fixture.ts';

test('events come out in the order in which they went in, up to the limit, and the rest is counted', () => {
  const control = resetControl();
  const events = new PartitionEvents(control);
  for (let i = 0; i < EVENT_COUNT + 1; i++) events.post(PartitionEventKind.Reset, i);
  assert.equal(PartitionControl.eventsDropped.get(control.view, 0), 1);
  for (let i = 0; i < EVENT_COUNT; i++) assert.equal(events.take()?.processor, i);
  assert.equal(events.take(), undefined);
  events.post(PartitionEventKind.TripleFault, 3);
  assert.deepEqual(events.take(), {
    kind: PartitionEventKind.TripleFault, processor: 3, crashParameters: [], crashMessage: false, identified: false,
  });
});
