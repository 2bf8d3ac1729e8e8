import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GuestMemory } from '../../hypervisor/guest-memory.ts';
import { emptyProcessorState } from '../../hypervisor/testing/scripted-engine.ts';
import { framed, MAXIMUM_PACKET, PacketStream, type Received } from './packet-stream.ts';
import {
  readRegister, REGISTER_COUNT, registerBytes, TARGET_DESCRIPTION, writeRegister, writeRegisters,
} from './registers.ts';
import { VirtualMemory } from './virtual-memory.ts';

function receivedOf(bytes: Uint8Array): Received[] {
  return [...new PacketStream().take(bytes)];
}

test('a packet comes through byte by byte, escapes and all', () => {
  const data = Buffer.from([0x58, ...Array.from({ length: 256 }, (_, n) => n)]);
  const stream = new PacketStream();
  const received = [...framed(data)].flatMap((byte) => [...stream.take([byte] as unknown as Uint8Array)]);
  assert.deepEqual(received, [{ kind: 'packet', data }]);
});

test('between packets there are interrupts and acknowledgements', () => {
  assert.deepEqual(receivedOf(Buffer.from('+\x03-$?#3f')).map(({ kind }) => kind), ['interrupt', 'again', 'packet']);
});

test('a wrong checksum and a packet that is too long are damaged', () => {
  assert.deepEqual(receivedOf(Buffer.from('$g#00$g#zz$g#67')).map(({ kind }) => kind),
    ['damaged', 'damaged', 'packet']);
  const most = Buffer.alloc(MAXIMUM_PACKET, 'a');
  assert.equal(receivedOf(framed(most))[0]?.kind, 'packet');
  assert.equal(receivedOf(framed(Buffer.concat([most, most.subarray(0, 1)])))[0]?.kind, 'damaged');
});

test('registers come back as they were written, but for those that are only shown', () => {
  const state = emptyProcessorState();
  const shown = TARGET_DESCRIPTION.split('<feature name="partout.system">')[1]?.match(/<reg /g)?.length ?? 0;
  for (let number = 0; number < REGISTER_COUNT - shown; number++) {
    const bytes = readRegister(state, number) as Buffer;
    // A selector has 16 bits, floating-point control words too; tags are all valid.
    bytes.fill(0).writeUInt8(bytes.length === 10 ? 0x5a : 0, bytes.length - 1);
    bytes[0] = 0;
    assert.ok(writeRegister(state, number, bytes));
    assert.deepEqual(readRegister(state, number), bytes);
  }
  assert.equal(readRegister(state, REGISTER_COUNT), undefined);
  const all = registerBytes(state);
  assert.ok(writeRegisters(state, all));
  assert.equal(writeRegisters(state, all.subarray(1)), false);
});

test('upper halves of vector registers are there where the state has them', () => {
  const state = { ...emptyProcessorState(), xsave: new Uint8Array(832) };
  state.xsave[576 + 15 * 16] = 0x5a;
  const names = [...TARGET_DESCRIPTION.matchAll(/<reg name="(\w+)"/g)].map(([, name]) => name);
  assert.equal(readRegister(state, names.indexOf('ymm15h'))?.[0], 0x5a);
  assert.ok(writeRegister(state, names.indexOf('ymm0h'), Buffer.alloc(16, 1)));
  assert.equal(state.xsave[576 + 15], 1);
});

test('the description has a line for each register', () => {
  assert.equal(TARGET_DESCRIPTION.match(/<reg /g)?.length, REGISTER_COUNT);
});

test('virtual memory follows 4-level tables over page borders, and ends where nothing is mapped', () => {
  const memory = new GuestMemory(new SharedArrayBuffer(0x10000), [{ gpa: 0, sizeBytes: 0x10000, offset: 0 }]);
  const entry = (table: number, index: number, value: number): void =>
    memory.view.setBigUint64(table + index * 8, BigInt(value), true);
  entry(0x1000, 511, 0x2003);
  entry(0x2000, 510, 0x3003);
  entry(0x3000, 0, 0x4003);
  entry(0x4000, 0, 0x8003);
  entry(0x4000, 1, 0x6003);
  const state = emptyProcessorState();
  Object.assign(state, { cr0: 0x8000_0001n, cr3: 0x1000n, cr4: 0x20n, msrs: [[0xc000_0080, 0x500n]] });
  const virtual = new VirtualMemory(memory, state);
  const kernel = 0xffff_ffff_8000_0000n;
  assert.ok(virtual.write(kernel + 0xffen, Buffer.from('abcd')));
  assert.equal(Buffer.from(memory.read(0x8ffe, 2) as Uint8Array).toString(), 'ab');
  assert.equal(Buffer.from(memory.read(0x6000, 2) as Uint8Array).toString(), 'cd');
  assert.equal(virtual.read(kernel + 0x1ffen, 8).length, 2);
  assert.equal(virtual.write(kernel + 0x1fffn, Buffer.from('xy')), false);
  assert.equal(virtual.translate(0n), undefined);
  assert.equal(virtual.read(0n, 8).length, 0);
});
