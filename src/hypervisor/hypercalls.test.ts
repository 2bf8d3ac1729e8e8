import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HvStatus } from '../protocols/tlfs/hypercalls.ts';
import type { HypercallDefinition } from './hypercalls.ts';
import { makeFixture, type Fixture, MEMORY_SIZE } from './testing/fixture.ts';

const seen: { input: number[]; words: number; start: number; count: number }[] = [];

function echo(definition: Partial<HypercallDefinition>): HypercallDefinition {
  return {
    code: 0x77, inputBytes: 8, outputBytes: 0, repBytes: 0, variableHeader: false,
    run(frame) {
      const input = [...new Uint8Array(frame.input.buffer, 0, frame.inputLength)];
      seen.push({ input, words: frame.variableHeaderWords, start: frame.repStart, count: frame.repCount });
      if (definition.repBytes !== undefined) frame.repsDone = frame.repCount;
      if (definition.outputBytes !== undefined) frame.output.setUint32(0, 0xfeed, true);
      return HvStatus.Success;
    },
    ...definition,
  };
}

/** Calls as a guest would; returns [status, repetitions]. */
function call(fixture: Fixture, control: bigint, rdx = 0n, r8 = 0n): [number, number] {
  const { gpr } = fixture.engine.state;
  gpr[1] = control;
  gpr[2] = rdx;
  gpr[8] = r8;
  gpr[0] = 0xdead_dead_dead_deadn;
  seen.length = 0;
  assert.equal(fixture.engine.intercepts.hypercall(), true);
  const { low, high } = fixture.engine.readRegister(0);
  return [low, high];
}

test('a code that nobody implements is answered with status 2', () => {
  const fixture = makeFixture();
  assert.deepEqual(call(fixture, 0x5bn, 0x1000n), [HvStatus.InvalidHypercallCode, 0]);
});

test('fast input comes out of RDX and R8', () => {
  const fixture = makeFixture({ hypercalls: [echo({ inputBytes: 16 })] });
  assert.deepEqual(call(fixture, 0x1_0077n, 0x0807_0605_0403_0201n, 0x9000_0000_0000_00ffn), [0, 0]);
  assert.deepEqual(seen[0]?.input, [1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0, 0, 0, 0, 0, 0, 0x90]);
});

test('slow input is copied from an aligned address within a page of RAM', () => {
  const fixture = makeFixture({ hypercalls: [echo({ inputBytes: 16 })] });
  fixture.memory.write(0x2ff0, Uint8Array.from({ length: 16 }, (_, i) => i));
  assert.deepEqual(call(fixture, 0x77n, 0x2ff0n), [0, 0]);
  assert.deepEqual(seen[0]?.input, Array.from({ length: 16 }, (_, i) => i));
  for (const address of [0x2004n, 0x2001n, 0x2ff8n, BigInt(MEMORY_SIZE), 0xffff_ffff_ffff_fff0n]) {
    assert.deepEqual(call(fixture, 0x77n, address), [HvStatus.InvalidAlignment, 0], address.toString(16));
    assert.equal(seen.length, 0);
  }
});

test('reserved and misplaced bits of the control word are refused', () => {
  const fixture = makeFixture({ hypercalls: [echo({})] });
  for (const bit of [27n, 30n, 31n, 44n, 47n, 60n, 63n, 17n, 32n, 48n]) {
    assert.deepEqual(call(fixture, 0x77n | (1n << bit)), [HvStatus.InvalidHypercallInput, 0], `bit ${bit}`);
    assert.equal(seen.length, 0);
  }
});

test('a repeating call tells how far it came', () => {
  const fixture = makeFixture({ hypercalls: [echo({ repBytes: 8, variableHeader: true })] });
  const control = (word: { header: bigint; count: bigint; start: bigint }) =>
    0x77n | (word.header << 17n) | (word.count << 32n) | (word.start << 48n);
  assert.deepEqual(call(fixture, control({ header: 2n, count: 5n, start: 3n }), 0x1000n), [0, 5]);
  assert.deepEqual({ ...seen[0], input: seen[0]?.input.length }, { input: 8 + 16 + 40, words: 2, start: 3, count: 5 });
  assert.deepEqual(call(fixture, control({ header: 0n, count: 0n, start: 0n }), 0x1000n)[0], 3);
  assert.deepEqual(call(fixture, control({ header: 0n, count: 5n, start: 5n }), 0x1000n)[0], 3);
});

test('a list is at most a page: the longest works, one more element does not', () => {
  const fixture = makeFixture({ hypercalls: [echo({ repBytes: 8 })] });
  assert.deepEqual(call(fixture, 0x77n | (511n << 32n), 0x1000n), [0, 511]);
  assert.equal(call(fixture, 0x77n | (512n << 32n), 0x1000n)[0], HvStatus.InvalidAlignment);
});

test('output is written only where a guest has RAM for it', () => {
  const fixture = makeFixture({ hypercalls: [echo({ outputBytes: 8 })] });
  assert.deepEqual(call(fixture, 0x77n, 0x1000n, 0x3000n), [0, 0]);
  assert.deepEqual([...fixture.memory.read(0x3000, 8) ?? []], [0xed, 0xfe, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(fixture.engine.changed, [{ gpa: 0x3000, length: 8 }]);
  assert.equal(call(fixture, 0x77n, 0x1000n, 0x3ffcn)[0], HvStatus.InvalidAlignment);
  assert.equal(call(fixture, 0x1_0077n, 0x1000n, 0x3000n)[0], HvStatus.InvalidHypercallInput);
});
