import assert from 'node:assert/strict';
import test from 'node:test';
import {
  COUNT, DISPLACEMENT, IMMEDIATE, LENGTH, OFFSET, OP, OP_CROSS, OP_ENTER, RECORD_SIZE,
} from '../core/layout.ts';
import { Decoded, operationsByNumber, RecordMemory } from './decoded.ts';
import { NARROW, RegionGraph } from './region-graph.ts';

const OPERATIONS = operationsByNumber();

function numberOf(family: string, far: boolean): number {
  return OPERATIONS.integer.findIndex((it) => it?.family === family && it.size === 64 && it.far === far);
}

/** Records at addresses of their own, and the blocks that they are of, by their places. */
class Records {
  readonly view = new DataView(new ArrayBuffer(0x1000));
  readonly memory = new RecordMemory(this.view.buffer, OPERATIONS);
  readonly openings = new Map<number, number>();
  readonly decoded: number[] = [];

  put(at: number, { op, offset = 0, length = 0, target = 0 }: Record<string, number>): void {
    this.view.setUint16(at + OP, op as number, true);
    this.view.setUint16(at + OFFSET, offset, true);
    this.view.setUint8(at + LENGTH, length);
    this.view.setUint8(at + COUNT, 1);
    this.view.setInt32(at + DISPLACEMENT, target, true);
    this.view.setInt32(at + IMMEDIATE, target, true);
  }

  graph(crossing: number, next: number): RegionGraph {
    return new RegionGraph({
      openingAt: (place) => this.openings.get(place) ?? 0,
      heat: () => 1,
      decode: (at, page) => {
        this.decoded.push(at);
        return new Decoded(this.memory, at, page);
      },
      crossing: ({ at, page }) => new Decoded(this.memory, at, page, crossing, next),
      returnPlace: () => undefined,
    });
  }
}

for (const family of ['JNZ', 'JMP', 'CALL', 'NOP']) {
  test(`${family} that reaches into the next page is the last of its block, and stands on the block there`, () => {
    const records = new Records();
    const [first, second, crossing] = [0x100, 0x200, 0x300];
    records.openings.set(0xffd, first).set(0x1003, second);
    records.put(first, { op: OP_ENTER });
    records.put(first + RECORD_SIZE, { op: OP_CROSS, offset: 0xffd });
    // What lies behind it is another block's header, no record.
    records.view.setBigUint64(first + 2 * RECORD_SIZE, 0x2000_0000_106f_906fn, true);
    const isFar = family !== 'NOP';
    records.put(crossing, { op: isFar ? numberOf(family, true) : OPERATIONS.integer.findIndex((it) =>
      it?.family === family), offset: 0xffd, length: 6, target: 0x10c9 });
    records.put(second, { op: OP_ENTER });
    records.put(second + RECORD_SIZE, { op: numberOf('RET', false), offset: 3, length: 1 });
    const graph = records.graph(crossing, second);
    const blocks = graph.find(0xffd, NARROW);
    assert.ok(!records.decoded.includes(first + 2 * RECORD_SIZE), 'a header was taken for a record');
    assert.ok([...graph.openings].includes(second));
    const goesOn = family === 'JNZ' || family === 'NOP';
    assert.deepEqual(blocks.map((block) => block.records.map((record) => record.place)),
      goesOn ? [[0xffd], [0x1003]] : [[0xffd]]);
    assert.equal(blocks[0]?.edges.at(-1)?.to, goesOn ? 1 : -1);
  });
}
