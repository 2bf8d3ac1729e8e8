import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { GuestMemory } from '../../hypervisor/guest-memory.ts';
import { Fadt, Rsdp, TableHeader } from '../../protocols/acpi.ts';
import { GENERATION_ID_GPA } from '../platform.ts';
import { type AcpiOptions, writeAcpiTables } from './tables.ts';

const MIB = 0x10_0000;
const OPTIONS: AcpiOptions = {
  processorCount: 2, entropySeed: new Uint8Array(64).fill(7), generationId: new Uint8Array(16).fill(9),
};

interface Written {
  readonly memory: GuestMemory;
  readonly rsdp: number;
  /** By signature; what the extended table names and what the FADT names. */
  readonly tables: ReadonlyMap<string, Uint8Array>;
}

function written(options = OPTIONS): Written {
  const memory = new GuestMemory(new SharedArrayBuffer(2 * MIB), [{ gpa: 0, sizeBytes: 2 * MIB, offset: 0 }]);
  const rsdp = writeAcpiTables(memory, options);
  const tables = new Map<string, Uint8Array>();
  const add = (gpa: number): Uint8Array => {
    const length = TableHeader.length.get(memory.view, gpa);
    const table = memory.read(gpa, length) ?? assert.fail('not memory');
    tables.set(TableHeader.signature.get(memory.view, gpa), table);
    return table;
  };
  add(Rsdp.rsdtAddress.get(memory.view, rsdp));
  const xsdt = add(Rsdp.xsdtAddress.get(memory.view, rsdp));
  for (let at = TableHeader.$size; at < xsdt.length; at += 8) {
    add(Number(new DataView(xsdt.buffer).getBigUint64(at, true)));
  }
  const fadt = tableOf(tables, 'FACP');
  add(Fadt.dsdt.get(fadt, 0));
  add(Fadt.firmwareControl.get(fadt, 0));
  return { memory, rsdp, tables };
}

function tableOf(tables: ReadonlyMap<string, Uint8Array>, signature: string): DataView {
  const table = tables.get(signature) ?? assert.fail(`no ${signature}`);
  return new DataView(table.buffer, table.byteOffset, table.length);
}

function sumOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => (sum + byte) & 0xff, 0);
}

test('the root pointer and every table but the FACS sum to zero, and all of them can be found', () => {
  const { memory, rsdp, tables } = written();
  assert.equal(rsdp % 16, 0, 'found by a scan of the BIOS area too');
  assert.ok(rsdp >= 0xe_0000 && rsdp < 0x10_0000);
  assert.equal(Rsdp.signature.get(memory.view, rsdp), 'RSD PTR ');
  assert.equal(sumOf(memory.read(rsdp, 20) ?? assert.fail()), 0);
  assert.equal(sumOf(memory.read(rsdp, 36) ?? assert.fail()), 0);
  assert.deepEqual([...tables.keys()].sort(), ['APIC', 'DSDT', 'FACP', 'FACS', 'OEM0', 'RSDT', 'XSDT']);
  for (const [signature, table] of tables) if (signature !== 'FACS') assert.equal(sumOf(table), 0, signature);
});

test('the FADT describes hardware that is in ACPI mode, with a reset register and without 8042 or VGA', () => {
  const { tables } = written();
  const fadt = tableOf(tables, 'FACP');
  assert.equal(Fadt.smiCommand.get(fadt, 0), 0);
  assert.equal(Fadt.sciInterrupt.get(fadt, 0), 9);
  assert.equal(Fadt.bootArchitecture.get(fadt, 0), 4);
  assert.equal(Fadt.flags.get(fadt, 0) & (1 << 20), 0, 'not hardware-reduced: that would cost the ISA interrupts');
  assert.notEqual(Fadt.flags.get(fadt, 0) & (1 << 10), 0);
  assert.equal(Fadt.resetValue.get(fadt, 0), 6);
});

test('the MADT lists the boot processor first and says that there is a PC AT', () => {
  const madt = tableOf(written({ ...OPTIONS, processorCount: 300 }).tables, 'APIC');
  assert.equal(madt.getUint32(40, true) & 1, 1);
  const ids: number[] = [];
  const types = new Set<number>();
  for (let at = 44; at < madt.byteLength; at += madt.getUint8(at + 1)) {
    const type = madt.getUint8(at);
    types.add(type);
    if (type === 0) ids.push(madt.getUint8(at + 3));
    if (type === 9) ids.push(madt.getUint32(at + 4, true));
  }
  assert.deepEqual(ids, Array.from({ length: 300 }, (_, index) => index));
  assert.deepEqual([...types].sort(), [0, 1, 2, 4, 9]);
});

test('entropy lies in a table as Hyper-V names it, and there is none without a seed', () => {
  const oem0 = tableOf(written().tables, 'OEM0');
  assert.equal(TableHeader.oemTableId.get(oem0, 0), 'MICROSFT');
  assert.equal(oem0.byteLength, TableHeader.$size + 64);
  assert.equal(oem0.getUint8(TableHeader.$size), 7);
  assert.equal(written({ ...OPTIONS, entropySeed: new Uint8Array() }).tables.has('OEM0'), false);
});

test('the generation lies where the DSDT says, and without one there is no such device', () => {
  const { memory, tables } = written();
  assert.deepEqual(memory.read(GENERATION_ID_GPA, 16), new Uint8Array(16).fill(9));
  assert.ok(Buffer.from(tables.get('DSDT') ?? []).includes('VM_Gen_Counter'));
  const { generationId: _, ...without } = OPTIONS;
  assert.equal(Buffer.from(written(without).tables.get('DSDT') ?? []).includes('VM_Gen_Counter'), false);
});

test('the window for VMBus devices above 4 GiB begins above all RAM', () => {
  const memory = new GuestMemory(new SharedArrayBuffer(3 * MIB), [
    { gpa: 0, sizeBytes: 2 * MIB, offset: 0 }, { gpa: 0x1_4000_0000, sizeBytes: MIB, offset: 2 * MIB }]);
  writeAcpiTables(memory, OPTIONS);
  const area = Buffer.from(memory.read(0xe_0000, 0x2_0000) ?? assert.fail());
  const descriptor = Buffer.from([0x8a, 0x2b, 0x00, 0x00, 0x0c]);
  const high = area.indexOf(descriptor, area.indexOf(descriptor) + 1);
  assert.equal(area.readBigUInt64LE(high + 14), 0x1_8000_0000n);
});

const hasIasl = spawnSync('iasl', ['-v']).status === 0;

test('the disassembler of ACPI reads the DSDT, and its compiler makes the same bytes of what it read',
  { skip: hasIasl ? false : 'iasl is not installed (Debian: acpica-tools)' }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'partout-acpi-'));
    try {
      const dsdt = written().tables.get('DSDT') ?? assert.fail();
      writeFileSync(join(folder, 'dsdt.aml'), dsdt);
      const run = (...words: string[]): void => {
        const { status, stdout } = spawnSync('iasl', words, { cwd: folder, encoding: 'utf8' });
        assert.equal(status, 0, stdout);
      };
      run('-d', 'dsdt.aml');
      assert.match(readFileSync(join(folder, 'dsdt.dsl'), 'utf8'), /Device \(VMBS\)/);
      // Forced: the compiler objects to "VMBus" as a hardware id, which is the one that Hyper-V has.
      spawnSync('iasl', ['-f', '-oa', '-p', 'again', 'dsdt.dsl'], { cwd: folder });
      const again = readFileSync(join(folder, 'again.aml'));
      assert.deepEqual(again.subarray(TableHeader.$size), Buffer.from(dsdt.subarray(TableHeader.$size)));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
