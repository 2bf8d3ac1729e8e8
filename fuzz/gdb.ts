/**
 * Whatever comes over a debugger's connection: whole packets, damaged ones, noise. The session answers or is silent; it
 * never throws, and never has more points than the engine has room for.
 */

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createEngineMemory, guestMemoryOf } from '../src/engine/engine-memory.ts';
import { emptyProcessorState } from '../src/hypervisor/testing/scripted-engine.ts';
import { Debugger, type PausablePartition } from '../src/machine/gdb/debugger.ts';
import { framed } from '../src/machine/gdb/packet-stream.ts';
import { Session } from '../src/machine/gdb/session.ts';
import type { FuzzTarget, Tally } from '../tools/fuzz-target.ts';

const PROCESSORS = 2;
const engine = createEngineMemory(2 ** 20, PROCESSORS);

/** Processors that do nothing but stand where they are. */
class StillPartition implements PausablePartition {
  readonly #states = Array.from({ length: PROCESSORS }, () => emptyProcessorState());
  async pause(): Promise<void> {}
  async start(): Promise<void> {}
  async stepProcessor(): Promise<void> {}
  async captureProcessor(index: number) {
    return structuredClone(this.#states[index] ?? emptyProcessorState());
  }
  async loadProcessor(index: number, state: ReturnType<typeof emptyProcessorState>): Promise<void> {
    this.#states[index] = structuredClone(state);
  }
  activity(index: number) {
    return index === 0 ? 0 : 2;
  }
}

const hex = fc.oneof(fc.nat({ max: 0x3000 }), fc.nat()).map((number) => number.toString(16));
const bytesInHex = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const command = fc.oneof(
  fc.constantFrom('?', 'g', 'c', 's', 'qSupported:swbreak+', 'QStartNoAckMode', 'qfThreadInfo', 'qsThreadInfo', 'qC',
    'qAttached', 'vCont?', 'vCont;c', 'vCont;s:1;c', 'vCont;s:2', 'vCont;s:9', 'vCont;s', 'qSymbol::', 'k', 'D',
    'vKill;1', 'vCont', 'Hg-1', 'Hg0', 'Hg1', 'Hg2', 'Hg3', 'T1', 'T7', 'qThreadExtraInfo,2', 'qThreadExtraInfo,z'),
  fc.tuple(fc.constantFrom('m', 'Z0,', 'Z1,', 'Z2,', 'Z3,', 'Z4,', 'Z5,', 'z0,', 'z1,', 'z2,', 'z3,', 'z4,'), hex, hex)
    .map(([what, address, length]) => `${what}${address},${length}`),
  fc.tuple(hex, bytesInHex).map(([address, data]) => `M${address},${(data.length / 2).toString(16)}:${data}`),
  fc.tuple(hex, fc.string({ maxLength: 20 }))
    .map(([address, data]) => `X${address},${data.length.toString(16)}:${data}`),
  fc.tuple(hex, bytesInHex).map(([number, data]) => `P${number}=${data}`),
  fc.nat({ max: 80 }).map((number) => `p${number.toString(16)}`),
  fc.nat({ max: 60 }).map((number) => `P${number.toString(16)}=${'5a'.repeat(8)}`),
  fc.tuple(hex, hex).map(([at, length]) => `qXfer:features:read:target.xml:${at},${length}`),
  bytesInHex.map((data) => `G${data}`),
  fc.string({ maxLength: 40 }),
);
const piece = fc.oneof(
  { weight: 8, arbitrary: command.map((text) => framed(Buffer.from(text, 'latin1'))) },
  { weight: 1, arbitrary: fc.constantFrom('+', '-', '\x03', '$g#00', '$', '#').map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)) },
);

/** A whole packet [GDB, Remote Protocol, Overview]. */
const PACKET = /^\$[^$#]*#[0-9a-f]{2}$/;

async function trySession(pieces: readonly Buffer[], tally: Tally): Promise<void> {
  for (const each of pieces) tally.input(PACKET.test(each.toString('latin1')));
  const debugged = new Debugger({
    partition: new StillPartition(), engine, memory: guestMemoryOf(engine), processors: PROCESSORS,
  });
  let sent = 0;
  const session = new Session({
    debugger: debugged, send: (bytes) => { sent += bytes.length; }, kill: () => {}, end: () => {},
  });
  await session.open();
  const stream = Buffer.concat(pieces);
  for (let at = 0; at < stream.length; at += 97) {
    await session.receive(stream.subarray(at, at + 97));
    if (debugged.running) await debugged.stoppedByItself(at % PROCESSORS);
  }
  assert.ok(sent <= (stream.length + 100) * 20_000);
  await session.close();
  assert.ok(debugged.running);
}

export const target: FuzzTarget = {
  name: 'gdb',
  covers: [
    'src/machine/gdb/packet-stream', 'src/machine/gdb/session', 'src/machine/gdb/registers',
    'src/machine/gdb/virtual-memory',
  ],
  async run(seed, iterations, tally) {
    await fc.assert(fc.asyncProperty(fc.array(piece, { maxLength: 30 }), (pieces) => trySession(pieces, tally)), {
      seed, numRuns: iterations,
    });
  },
};
