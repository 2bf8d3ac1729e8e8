/**
 * A debugger on whole machines: our own client over the protocol, then a stock gdb. The guest counts in EAX and in
 * memory for ever:
 *
 *     0x100020  xor eax, eax
 *     0x100022  inc eax
 *     0x100023  mov [0x200000], eax
 *     0x100028  jmp 0x100022
 */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { GdbClient } from './gdb-client.ts';
import { MachineGuest } from './machine-guest.ts';
import { multibootKernel } from './multiboot-kernel.ts';

const COUNTING = [0x31, 0xc0, 0x40, 0xa3, 0, 0, 0x20, 0, 0xeb, 0xf8];
const START = 0x100020n;
const INCREMENT = 0x100022n;
const STORE = 0x100023n;
const JUMP = 0x100028n;
const COUNTER = 0x200000;
const RAX = 0;
const RIP = 16;
const DEADLINE_MS = 120_000;

const folder = mkdtempSync(join(tmpdir(), 'partout-gdb-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const kernel = join(folder, 'kernel');
writeFileSync(kernel, multibootKernel(COUNTING));

function counting(wait: boolean, processors = 1): Promise<MachineGuest> {
  return MachineGuest.start({ kernel, commandLine: '', memoryBytes: 16 * 2 ** 20, processors, gdb: { port: 0, wait } });
}

function clientOf(guest: MachineGuest): Promise<GdbClient> {
  return GdbClient.connect(guest.machine.gdbPort as number);
}

/** Lets the guest run until it has counted beyond `count`: how long that takes is the host's affair. */
async function countsBeyond(gdb: GdbClient, count: number): Promise<void> {
  while (await gdb.word(COUNTER) <= count) {
    gdb.tell('c');
    await new Promise((resolve) => { setTimeout(resolve, 5); });
    gdb.interrupt();
    assert.equal(await gdb.reply(), 'T02thread:1;');
  }
}

test('a guest that waits is stepped from its first instruction', { timeout: DEADLINE_MS }, async () => {
  await using guest = await counting(true);
  await using gdb = await clientOf(guest);
  assert.equal(await gdb.ask('?'), 'T05thread:1;');
  assert.equal(await gdb.register(RIP), START);
  assert.equal(await gdb.ask('P0=7b00000000000000'), 'OK');
  assert.equal(await gdb.register(RAX), 123n);
  assert.equal(await gdb.ask('vCont;s:1'), 'T05thread:1;');
  assert.equal(await gdb.register(RIP), INCREMENT);
  assert.equal(await gdb.register(RAX), 0n);
  assert.equal(await gdb.ask('s'), 'T05thread:1;');
  assert.equal(await gdb.register(RIP), STORE);
  assert.equal(await gdb.register(RAX), 1n);
});

test('breakpoints stop in front of their instruction each time', { timeout: DEADLINE_MS }, async () => {
  await using guest = await counting(true);
  await using gdb = await clientOf(guest);
  await gdb.ask('qSupported:swbreak+;hwbreak+');
  assert.equal(await gdb.ask('Z0,100023,1'), 'OK');
  for (const count of [1n, 2n, 3n]) {
    assert.equal(await gdb.ask('vCont;c'), 'T05thread:1;swbreak:;');
    assert.equal(await gdb.register(RIP), STORE);
    assert.equal(await gdb.register(RAX), count);
  }
  assert.equal(await gdb.ask('m100022,3'), '40a300', 'the guest sees no breakpoint in its memory');
  // As a debugger does it that lifts its breakpoint to get past it.
  assert.equal(await gdb.ask('z0,100023,1'), 'OK');
  assert.equal(await gdb.ask('vCont;s:1'), 'T05thread:1;');
  assert.equal(await gdb.ask('Z0,100023,1'), 'OK');
  assert.equal(await gdb.ask('vCont;c'), 'T05thread:1;swbreak:;');
  assert.equal(await gdb.register(RAX), 4n);
  assert.equal(await gdb.ask('z0,100023,1'), 'OK');
  assert.equal(await gdb.ask('Z1,100028,1'), 'OK');
  assert.equal(await gdb.ask('c'), 'T05thread:1;hwbreak:;');
  assert.equal(await gdb.register(RIP), JUMP);
  assert.equal(await gdb.word(COUNTER), 4);
});

test('a watchpoint stops behind the store', { timeout: DEADLINE_MS }, async () => {
  await using guest = await counting(true);
  await using gdb = await clientOf(guest);
  assert.equal(await gdb.ask('Z3,200000,4'), 'OK', 'nobody reads there');
  assert.equal(await gdb.ask('Z2,200002,1'), 'OK');
  assert.equal(await gdb.ask('c'), 'T05thread:1;watch:200002;');
  assert.equal(await gdb.register(RIP), JUMP);
  assert.equal(await gdb.ask('c'), 'T05thread:1;watch:200002;');
  assert.equal(await gdb.word(COUNTER), 2);
  assert.equal(await gdb.ask('z2,200002,1'), 'OK');
  await countsBeyond(gdb, 2);
});

test('a running guest is interrupted, changed, and goes on when the debugger leaves', { timeout: DEADLINE_MS },
  async () => {
    await using guest = await counting(false);
    {
      await using gdb = await clientOf(guest);
      assert.equal(await gdb.ask('?'), 'T05thread:1;');
      const before = await gdb.word(COUNTER);
      assert.equal(await gdb.word(COUNTER), before, 'it stands still');
      gdb.tell('c');
      gdb.interrupt();
      assert.equal(await gdb.reply(), 'T02thread:1;');
      // inc eax becomes nop: what was decoded is forgotten.
      assert.equal(await gdb.ask('M100022,1:90'), 'OK');
      assert.equal(await gdb.ask('P0=e803000000000000'), 'OK');
      assert.equal(await gdb.ask('P10=2200100000000000'), 'OK');
      assert.equal(await gdb.ask('Z0,100028,1'), 'OK');
      assert.equal(await gdb.ask('c'), 'T05thread:1;swbreak:;');
      assert.equal(await gdb.word(COUNTER), 1000);
      assert.equal(await gdb.ask('D'), 'OK');
    }
    await using again = await clientOf(guest);
    assert.equal(await again.word(COUNTER), 1000);
    assert.equal(await again.ask('M100022,1:40'), 'OK');
    await countsBeyond(again, 1000);
  });

test('processors are threads', { timeout: DEADLINE_MS }, async () => {
  await using guest = await counting(false, 2);
  await using gdb = await clientOf(guest);
  assert.equal(await gdb.ask('qfThreadInfo'), 'm1,2');
  assert.equal(await gdb.ask('qsThreadInfo'), 'l');
  const describe = async (thread: number) =>
    Buffer.from(await gdb.ask(`qThreadExtraInfo,${thread}`), 'hex').toString();
  assert.equal(await describe(1), 'processor 0');
  assert.equal(await describe(2), 'processor 1, halted');
  assert.equal(await gdb.ask('Hg2'), 'OK');
  assert.equal(await gdb.register(RIP), 0xfff0n);
  assert.equal(await gdb.ask('Hg3'), 'E16');
  assert.equal(await gdb.ask('vCont;s:1;c'), 'T05thread:1;');
  const at = await gdb.register(RIP);
  assert.ok(at >= INCREMENT && at <= JUMP);
});

test('what is wrong or unknown is answered, and nothing breaks', { timeout: DEADLINE_MS }, async () => {
  await using guest = await counting(true);
  await using gdb = await clientOf(guest);
  assert.equal(await gdb.ask('mffffffff,10'), 'E0e');
  assert.equal(await gdb.ask('mxyz'), 'E16');
  assert.equal(await gdb.ask('pffff'), 'E16');
  assert.equal(await gdb.ask('P0=12'), 'E16');
  assert.equal(await gdb.ask('Z2,0,ffffffff'), 'E16');
  assert.equal(await gdb.ask('bogus'), '');
  for (let n = 0; n < 256; n++) assert.equal(await gdb.ask(`Z0,${(0x300000 + n).toString(16)},1`), 'OK');
  assert.equal(await gdb.ask('Z0,400000,1'), 'E1c');
  assert.equal(await gdb.register(RIP), START);
});

const stock = spawnSync('gdb', ['--version']).status === 0;

test('a stock gdb sets breakpoints, steps, watches and detaches',
  { timeout: DEADLINE_MS, skip: stock ? false : 'there is no gdb on this machine' }, async () => {
    await using guest = await counting(true);
    const commands = [
      `target remote localhost:${guest.machine.gdbPort}`, 'break *0x100023', 'continue', 'continue',
      'printf "eax %d\\n", $eax', 'delete', 'stepi', 'printf "rip %lx\\n", $rip', 'watch *(int *) 0x200000', 'continue',
      'printf "counter %d\\n", *(int *) 0x200000', 'printf "flags %x, mxcsr %x\\n", $eflags, $mxcsr', 'info threads',
      'delete', 'detach',
    ];
    const gdb = spawn('gdb', ['-q', '-nx', '-batch', ...commands.flatMap((command) => ['-ex', command])]);
    let output = '';
    gdb.stdout.on('data', (bytes: Buffer) => { output += bytes.toString(); });
    gdb.stderr.on('data', (bytes: Buffer) => { output += bytes.toString(); });
    await new Promise((resolve) => { gdb.on('close', resolve); });
    for (const line of [/eax 2$/m, /rip 100028$/m, /counter 3$/m, /mxcsr 1f80$/m, /processor 0/, /detached/]) {
      assert.match(output, line);
    }
  });

test('what comes behind a detach does nothing', { timeout: DEADLINE_MS }, async () => {
  await using guest = await counting(false);
  await using gdb = await clientOf(guest);
  gdb.tell('D');
  gdb.interrupt();
  assert.equal(await gdb.reply(), 'OK');
  // Each debugger stops the guest when it comes; the one that came late must not have.
  for (let first: number | undefined, now = 0; first === undefined || now <= first;) {
    await using again = await clientOf(guest);
    now = await again.word(COUNTER);
    first ??= now;
    assert.equal(await again.ask('D'), 'OK');
  }
});
