/** The disks of a VM of the library come, grow, get children, are merged and go, and the next start has them so. */

import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Host } from 'partout';
import { createChild, createDisk } from '../src/storage/create-disk.ts';
import { withDisk } from '../src/storage/testing/images.ts';
import { folderFor } from './host.ts';
import { IDLE, multibootKernel } from './multiboot-kernel.ts';

const MIB = 2 ** 20;

test('disks of a running VM are changed by their paths, and stay so', async (context) => {
  const folder = folderFor(context);
  const at = (name: string): string => join(folder, name);
  writeFileSync(at('kernel'), multibootKernel(IDLE));
  writeFileSync(at('raw'), new Uint8Array(MIB));
  createDisk(at('base.vhdx'), { format: 'vhdx', sizeBytes: 4 * MIB, blockBytes: MIB });
  createChild(at('disk.vhdx'), at('base.vhdx'));
  withDisk(at('disk.vhdx'), false, (disk) => disk.writeSync(new Uint8Array(MIB).fill(7), 0, MIB, MIB));

  await using host = await Host.open();
  await using vm = await host.createVM({
    name: 'a', kernel: at('kernel'), nics: [], disks: [at('disk.vhdx'), { path: at('raw'), readOnly: true }],
  });
  await assert.rejects(vm.disks.paths(), /a does not run/);
  await vm.start();
  assert.deepEqual(await vm.disks.paths(), [at('disk.vhdx'), at('raw')]);

  // Nothing in the guest could freeze.
  await assert.rejects(vm.disks.snapshot('one', { deadlineMs: 100 }), /no driver or daemon/);
  assert.ok(!existsSync(at('disk.one.vhdx')));
  const made = await vm.disks.snapshot('one', { freeze: false });
  assert.deepEqual(made, [{ path: at('disk.vhdx'), child: at('disk.one.vhdx') }]);
  assert.deepEqual(await vm.disks.paths(), [at('disk.one.vhdx'), at('raw')]);
  await assert.rejects(vm.disks.merge(at('disk.vhdx')), /has no disk .*disk\.vhdx: it has .*disk\.one\.vhdx/);
  assert.equal(await vm.disks.merge(at('disk.one.vhdx')), at('disk.vhdx'));
  assert.equal(await vm.disks.merge(at('disk.vhdx')), at('base.vhdx'));
  await assert.rejects(vm.disks.merge(at('base.vhdx')), /has no parent to merge into/);
  assert.ok(!existsSync(at('disk.vhdx')) && !existsSync(at('disk.one.vhdx')));

  await vm.disks.remove(at('raw'));
  await vm.disks.add({ path: at('raw') });
  await vm.disks.grow(at('base.vhdx'), '6M');
  await assert.rejects(vm.disks.grow(at('base.vhdx'), '1M'), /cannot become smaller/);
  await assert.rejects(vm.disks.add(at('none')), /there is no such file/);
  // A raw disk has no children: the other one is as it was.
  await assert.rejects(vm.disks.snapshot('two', { freeze: false }), /is raw, which has no children/);
  assert.deepEqual(await vm.disks.paths(), [at('base.vhdx'), at('raw')]);
  assert.ok(!existsSync(at('base.two.vhdx')));

  await vm.stop();
  await vm.start();
  assert.deepEqual(await vm.disks.paths(), [at('base.vhdx'), at('raw')]);
  await vm.stop();
  withDisk(at('base.vhdx'), true, (disk) => {
    assert.equal(disk.geometry.sizeBytes, 6 * MIB);
    const bytes = new Uint8Array(3 * MIB);
    disk.readSync(bytes, 0, bytes.length, 0);
    const expected = new Uint8Array(3 * MIB).fill(7, MIB, 2 * MIB);
    assert.ok(Buffer.compare(bytes, expected) === 0);
  });
});
