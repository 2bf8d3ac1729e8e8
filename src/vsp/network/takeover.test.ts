/** A thread that serves an adapter ends at every place where it could, and another goes on: what the guest sees. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GuestDriver } from '../../vmbus/testing/guest-driver.ts';
import { GuestNic, rndisFrame, words } from '../testing/guest-nic.ts';
import { settle } from '../testing/guest-utility.ts';
import { MortalAdapter } from '../testing/mortal-adapter.ts';
import { NetworkEnd } from '../testing/network-end.ts';

const MAC = Uint8Array.of(0x00, 0x15, 0x5d, 1, 2, 3);
const PEER = Uint8Array.of(0x02, 0, 0, 0, 0, 9);
const FILTER = 0x0001_010e;
/** More than anything here stores. */
const MOST_STORES = 400;
const GIVEN = 3;

function frame(to: Uint8Array, number: number): Uint8Array {
  const bytes = new Uint8Array(64).fill(number, 14);
  bytes.set(to);
  bytes.set([0x88, 0xb5], 12);
  return bytes;
}

interface Bench {
  readonly end: NetworkEnd;
  readonly mortal: MortalAdapter;
  readonly nic: GuestNic;
}

function plugged(): Bench {
  const guest = new GuestDriver();
  const end = new NetworkEnd();
  const mortal = new MortalAdapter(guest, end, MAC);
  return { end, mortal, nic: new GuestNic(guest, mortal) };
}

function started(): Bench {
  const bench = plugged();
  bench.nic.start();
  return bench;
}

/** Has the guest queue packets of which the host is told by `turn` alone. */
function quietly(nic: GuestNic, action: () => void): void {
  nic.channel.up.setControl(8, 1);
  action();
  nic.channel.up.setControl(8, 0);
}

/** At each store: what `action` does is cut off there, and `judge` sees what came of it. */
async function everywhere(
  prepare: () => Bench, action: (bench: Bench) => void, judge: (bench: Bench, at: number) => void | Promise<void>,
): Promise<void> {
  let at = 0;
  for (; at < MOST_STORES; at++) {
    const bench = prepare();
    const isCut = bench.mortal.killAt(at, () => action(bench));
    if (!isCut) break;
    bench.mortal.replace();
    await judge(bench, at);
  }
  assert.ok(at > 5 && at < MOST_STORES, `${at} stores`);
}

test('wherever its thread ends, each request is answered once, and no frame leaves twice', async () => {
  const sent: number[] = [];
  const prepare = (): Bench => {
    const bench = started();
    sent.length = 0;
    const { deliver } = bench.end;
    bench.end.deliver = (...given): boolean => {
      sent.push(given[0][given[1] + 14] as number);
      return deliver.apply(bench.end, given);
    };
    bench.nic.completions.length = 0;
    return bench;
  };
  const posted: number[] = [];
  await everywhere(prepare, ({ nic, mortal }) => {
    posted.length = 0;
    quietly(nic, () => {
      posted.push(nic.post({ pages: rndisFrame(frame(PEER, 1)) }));
      posted.push(nic.post({ isControl: true, pages: words(5, 32, 1, FILTER, 4, 20, 0, 0xd) }));
      posted.push(nic.post({ pages: rndisFrame(frame(PEER, 2)) }));
    });
    mortal.turn();
  }, ({ nic, mortal }, at) => {
    for (let i = 0; i < 4; i++) {
      nic.poll();
      mortal.turn();
    }
    assert.deepEqual(nic.completions.map(({ transaction }) => transaction).sort(), posted, `answers, at ${at}`);
    assert.equal(nic.received.filter(({ isControl }) => isControl).length, 1, `control answers, at ${at}`);
    assert.equal(new Set(sent).size, sent.length, `frames ${sent} left, at ${at}`);
    assert.equal(mortal.adapter.nvspVersion, 0x6_0001);
    nic.received.length = 0;
    assert.equal(nic.send({ pages: rndisFrame(frame(PEER, 3)) }), 1, `the next, at ${at}`);
  });
});

test('wherever its thread ends, no frame comes twice, and the guest gives back all that it has', async () => {
  /** The guest completes what it got so far. */
  const complete = (nic: GuestNic): void => {
    for (const transaction of nic.transfers.splice(0)) nic.completeTransfer(transaction);
  };
  const prepare = (): Bench => {
    const bench = started();
    bench.nic.completesTransfers = false;
    bench.nic.transfers.length = 0;
    return bench;
  };
  await everywhere(prepare, ({ end, nic, mortal }) => {
    for (let number = 1; number <= GIVEN; number++) end.give(frame(MAC, number));
    mortal.turn();
    nic.poll();
    quietly(nic, () => complete(nic));
    mortal.turn();
    end.give(frame(MAC, GIVEN + 1));
    mortal.turn();
  }, async ({ end, nic, mortal }, at) => {
    mortal.turn();
    nic.poll();
    end.give(frame(MAC, GIVEN + 2));
    await settle();
    const came = nic.frames().map(({ frame: bytes }) => bytes[14]);
    assert.equal(new Set(came).size, came.length, `frames ${came}, at ${at}`);
    assert.equal(came.at(-1), GIVEN + 2, `the next, at ${at}`);
    assert.equal(new Set(nic.transfers).size, nic.transfers.length, `two transfers are in one place, at ${at}`);
    const held = mortal.adapter.saveState().receive.transfers.map(([first]) => (first as number) + 1);
    assert.deepEqual(held.sort(), nic.transfers.toSorted(), `what the guest has, at ${at}`);
    complete(nic);
    mortal.turn();
    assert.deepEqual(mortal.adapter.saveState().receive.transfers, [], `allocations come back, at ${at}`);
  });
});

test('wherever its thread ends while a driver begins, the driver gets there', async () => {
  await everywhere(plugged, ({ nic, mortal }) => {
    quietly(nic, () => {
      const version = new Uint8Array(40);
      version.set(words(1, 0x6_0001, 0x6_0001));
      nic.channel.send(version, { flags: 1, transaction: 7 });
    });
    mortal.turn();
  }, ({ nic, mortal }, at) => {
    nic.poll();
    const answers = nic.completions.filter(({ transaction }) => transaction === 7);
    assert.equal(answers.length, 1, `answers, at ${at}`);
    assert.equal(new DataView(answers[0]!.payload.buffer).getUint32(12, true), 1, `it is agreed on, at ${at}`);
    assert.equal(mortal.adapter.nvspVersion, 0x6_0001, `at ${at}`);
    assert.equal(nic.giveReceiveBuffer()[1], 1, `the receive buffer, at ${at}`);
    assert.equal(nic.giveSendBuffer()[1], 1, `the send buffer, at ${at}`);
  });
});
