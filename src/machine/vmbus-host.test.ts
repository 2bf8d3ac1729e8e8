import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Connections } from '../hypervisor/connections.ts';
import type { ControlBuffer } from '../hypervisor/control-buffer.ts';
import { GuestMemory } from '../hypervisor/guest-memory.ts';
import { InterruptRouter } from '../hypervisor/interrupt-router.ts';
import { MessageRing } from '../hypervisor/message-ring.ts';
import { QUEUE_COUNT } from '../hypervisor/messaging-layout.ts';
import { VpRegisters } from '../hypervisor/partition-layout.ts';
import { ReferenceTime } from '../hypervisor/reference-time.ts';
import { resetControl } from '../hypervisor/testing/fixture.ts';
import { ManualClock } from '../hypervisor/testing/manual-clock.ts';
import { ManualTimers } from '../kit/timers.ts';
import {
  CHANNEL_MESSAGES as M, channelMessage, type MessageBody, type MessageRow,
} from '../protocols/vmbus/message-table.ts';
import { VmbusHost } from './vmbus-host.ts';

const MEMORY_BYTES = 1 << 20;
const SIMP = 0x1000;
const PATIENCE_MS = 20_000;
const hosts: VmbusHost[] = [];

afterEach(() => { for (const host of hosts.splice(0)) host.close(); });

/** A partition without processors: what its guest would do to the SynIC and post is done here. */
class Bench {
  readonly control: ControlBuffer = resetControl(1);
  readonly memory = new GuestMemory(
    new SharedArrayBuffer(MEMORY_BYTES), [{ gpa: 0, sizeBytes: MEMORY_BYTES, offset: 0 }]);
  readonly failures: unknown[] = [];
  readonly #guest = new Connections(this.control);
  readonly #queue = new MessageRing(this.control, this.control.queueOffset(0, 2), QUEUE_COUNT);

  constructor() {
    const sints = new Uint8Array(128);
    sints[16] = 0xf3;
    VpRegisters.encode(this.control.view, this.control.vpRegistersOffset(0), { simp: BigInt(SIMP | 1), sints });
  }

  host(): VmbusHost {
    const clock = new ManualClock();
    const partition = {
      control: this.control.buffer, interrupts: new InterruptRouter({ control: this.control }),
      time: new ReferenceTime({ control: this.control, clock }),
    };
    const host = new VmbusHost({
      partition, memory: this.memory, clock, timers: new ManualTimers(),
      onFailure: (error) => this.failures.push(error),
    });
    hosts.push(host);
    return host;
  }

  post<Body extends MessageBody>(row: MessageRow<Body>, values: Parameters<Body['encode']>[2]): void {
    assert.equal(this.#guest.post(4, 0, 1, channelMessage(row, values)), 0);
  }

  /** The number of the next message to the guest. */
  async next(): Promise<number> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const message = this.#queue.take();
      if (message !== undefined) return message.payload[0] as number;
      assert.ok(performance.now() < deadline, 'the host says nothing');
      await new Promise((resolve) => { setTimeout(resolve, 1); });
    }
  }
}

test('what a guest posts is answered by the loop of this thread', async () => {
  const bench = new Bench();
  const host = bench.host();
  bench.post(M.InitiateContact, { version: 0x0005_0003, sint: 2 });
  assert.equal(await bench.next(), M.VersionResponse.number);
  bench.post(M.RequestOffers, {});
  for (const _ of host.bus.offers.all()) assert.equal(await bench.next(), M.OfferChannel.number);
  assert.equal(await bench.next(), M.AllOffersDelivered.number);
  assert.deepEqual(bench.failures, []);
});

test('a new host goes on from the state of another', async () => {
  const bench = new Bench();
  const first = bench.host();
  bench.post(M.InitiateContact, { version: 0x0005_0002, sint: 2 });
  assert.equal(await bench.next(), M.VersionResponse.number);
  const state = structuredClone(first.saveState());
  const second = new Bench().host();
  assert.equal(second.bus.version, undefined);
  second.restoreState(state);
  assert.equal(second.bus.version, '5.2');
  assert.deepEqual(second.saveState(), state);
  const newer = { ...state, kvp: { version: 9 } };
  assert.throws(() => second.restoreState(newer), /key-value exchange service has version 9/);
});
