import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CPU_FEATURES, CPU_IMMUNITIES, type CpuidRegister } from './cpuid-features.ts';
import { CpuidPolicy } from './cpuid.ts';
import { CONFIGURATION_VERSION, type ProcessorLevel } from './processor-model.ts';

const REGISTERS: readonly CpuidRegister[] = ['eax', 'ebx', 'ecx', 'edx'];

function ask(policy: CpuidPolicy, leaf: number, subleaf = 0, index = 0): number[] {
  const data = new Int32Array(4).fill(-1);
  policy.query(leaf, subleaf, index, data);
  return Array.from(data, (word) => word >>> 0);
}

const one = new CpuidPolicy({ processorCount: 1 });
const model = (level: ProcessorLevel, version = CONFIGURATION_VERSION): CpuidPolicy =>
  new CpuidPolicy({ processorCount: 1, model: { level, version } });

function text(...words: number[]): string {
  return Buffer.from(Uint32Array.from(words).buffer).toString('latin1').replace(/\0+$/, '');
}

test('the hypervisor leaves are those that Linux takes for Hyper-V', () => {
  const [max, ebx, ecx, edx] = ask(one, 0x4000_0000) as [number, number, number, number];
  assert.equal(text(ebx, ecx, edx), 'Microsoft Hv');
  assert.equal(max, 0x4000_000a);
  assert.deepEqual(ask(one, 0x4000_0001), [0x3123_7648, 0, 0, 0]);
  assert.deepEqual(ask(one, 0x4000_0002), [26100, 0x000a_0000, 0, 0]);
  assert.deepEqual(ask(one, 0x4000_0003), [0xa6e, 0x30, 0, 0x80500]);
  assert.deepEqual(ask(one, 0x4000_0004), [0x220, 0xffff_ffff, 40, 0]);
  assert.deepEqual(ask(one, 0x4000_0005), [64, 64, 0, 0]);
  assert.notEqual((ask(one, 1)[2] as number) >>> 31, 0);
});

test('leaves beyond each maximum are all zeros', () => {
  for (const leaf of [0xe, 0xf, 0x1f, 0x3fff_ffff, 0x4000_000b, 0x4000_0080, 0x4000_0100, 0x8000_0022, 0xffff_ffff]) {
    assert.deepEqual(ask(one, leaf), [0, 0, 0, 0], leaf.toString(16));
  }
});

test('CPUID shows the bits of the feature table and no others', () => {
  const described = new Map<string, number>();
  for (const { leaf, register, bit, level } of [...CPU_FEATURES, ...CPU_IMMUNITIES]) {
    if (level === 'v3') continue;
    const key = `${leaf} ${register}`;
    described.set(key, ((described.get(key) ?? 0) | (1 << bit)) >>> 0);
  }
  const shown = [[1, 'ecx'], [1, 'edx'], [6, 'eax'], [7, 'ebx'], [7, 'ecx'], [7, 'edx'],
    [0x8000_0001, 'ecx'], [0x8000_0008, 'ebx'], [0x8000_0021, 'eax']] as const;
  for (const [leaf, register] of shown) {
    const value = ask(one, leaf)[REGISTERS.indexOf(register)] as number;
    assert.equal(value.toString(16), (described.get(`${leaf} ${register}`) ?? 0).toString(16), `${leaf} ${register}`);
  }
  const repeated = (ask(one, 1)[3] as number) & 0x0183_f3ff;
  const extended = ask(one, 0x8000_0001)[3] as number;
  assert.equal(extended, ((described.get(`${0x8000_0001} edx`) as number) | repeated) >>> 0);
});

test('a level has what the levels below it have, and more', () => {
  const leaves = [[1, 2], [1, 3], [7, 1], [0x8000_0001, 2]] as const;
  const shown = (level: ProcessorLevel): number[] => leaves.map(([leaf, at]) => ask(model(level), leaf)[at] as number);
  const [first, second, third] = [shown('v1'), shown('v2'), shown('v3')] as const;
  for (const [n, bits] of first.entries()) {
    assert.equal(bits & ~(second[n] as number), 0);
    assert.equal((second[n] as number) & ~(third[n] as number), 0);
  }
  assert.notDeepEqual(first, second);
  assert.notDeepEqual(second, third);
  assert.equal((first[0] as number) & (1 << 0 | 1 << 9 | 1 << 19 | 1 << 23), 0, 'SSE3, SSSE3, SSE4.1, POPCNT');
  assert.notEqual((third[2] as number) & (1 << 8), 0, 'BMI2');
});

test('a machine made before there were levels sees what it saw', () => {
  const before = ask(model('v2', 1), 1)[2] as number;
  const now = ask(model('v2'), 1)[2] as number;
  assert.equal(now ^ before, 1 << 1 | 1 << 25, 'PCLMULQDQ and AES');
});

test('what no engine implements is absent', () => {
  const [, , ecx, edx] = ask(one, 1) as [number, number, number, number];
  assert.equal(edx & (1 << 1), 0, 'VME');
  for (const [name, bit] of [['MONITOR', 3], ['VMX', 5], ['FMA', 12], ['PCID', 17], ['TSC_DEADLINE', 24],
    ['OSXSAVE', 27], ['AVX', 28], ['F16C', 29]] as const) {
    assert.equal(ecx & (1 << bit), 0, name);
  }
  assert.deepEqual(ask(one, 0xd), [3, 576, 576, 0]);
  assert.deepEqual(ask(one, 0xd, 1), [0, 0, 0, 0]);
  assert.deepEqual(ask(one, 7, 1), [0, 0, 0, 0]);
});

test('the processor is an AMD one of family 0x17 with our brand', () => {
  const [, ebx, ecx, edx] = ask(one, 0) as [number, number, number, number];
  assert.equal(text(ebx, edx, ecx), 'AuthenticAMD');
  const signature = ask(one, 1)[0] as number;
  assert.equal(((signature >> 8) & 0xf) + ((signature >> 20) & 0xff), 0x17);
  const brand = [0x8000_0002, 0x8000_0003, 0x8000_0004].flatMap((leaf) => ask(one, leaf));
  assert.equal(text(...brand), 'Partout Virtual Processor');
  assert.equal(ask(one, 0x8000_0008)[0], 40 | (48 << 8));
});

test('the TSC is constant, and offered as a clock only on request', () => {
  assert.equal((ask(one, 0x8000_0007)[3] as number) & 0x100, 0x100);
  const invariant = new CpuidPolicy({ processorCount: 1, invariantTsc: true });
  assert.equal((ask(one, 0x4000_0003)[0] as number) & 0x8000, 0);
  assert.equal((ask(invariant, 0x4000_0003)[0] as number) & 0x8000, 0x8000);
});

test('several processors are told of calls for sets of them and of idling in locks, a single one is not', () => {
  assert.deepEqual(ask(one, 0x4000_0004), [0x220, 0xffff_ffff, 40, 0]);
  const two = new CpuidPolicy({ processorCount: 2 });
  assert.deepEqual(ask(two, 0x4000_0004), [0xe24, 0xfff, 40, 0]);
  assert.equal(((ask(two, 0x4000_0003)[0] as number) ^ (ask(one, 0x4000_0003)[0] as number)), 0x400);
});

test('four processors are four cores of one package', () => {
  const four = new CpuidPolicy({ processorCount: 4 });
  assert.deepEqual(ask(four, 0xb, 0, 3), [0, 1, 0x100, 3]);
  assert.deepEqual(ask(four, 0xb, 1, 3), [2, 4, 0x201, 3]);
  assert.deepEqual(ask(four, 0xb, 2, 3), [0, 0, 2, 3]);
  assert.equal((ask(four, 1, 0, 3)[1] as number) >>> 24, 3);
  assert.equal(((ask(four, 1)[1] as number) >>> 16) & 0xff, 4);
  assert.equal((ask(four, 1)[3] as number) & (1 << 28), 1 << 28);
  assert.equal(ask(four, 0x8000_0008)[2], (2 << 12) | 3);
  assert.equal((ask(one, 1)[3] as number) & (1 << 28), 0);
  assert.equal(ask(one, 0xb, 1)[0], 0);
});
