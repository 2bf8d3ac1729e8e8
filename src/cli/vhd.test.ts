import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync, existsSync, mkdtempSync, openSync, readdirSync, rmSync, truncateSync, writeFileSync, writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const MIB = 0x10_0000;

/** Each test has a folder, in which the commands run. */
async function inFolder(run: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'partout-'));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function vhd(folder: string, ...words: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, 'vhd', ...words], { cwd: folder, encoding: 'utf8' });
}

/** Expects success, and gives what was printed as JSON. */
function json(folder: string, ...words: string[]): Record<string, unknown> {
  const { status, stdout, stderr } = vhd(folder, ...words, '--json');
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}

test('a disk is made, has a child, is mapped, merged and converted', () => inFolder((folder) => {
  writeFileSync(join(folder, 'a.raw'), Buffer.alloc(8 * MIB, 0x41));
  assert.deepEqual(json(folder, 'convert', 'a.raw', 'a.vhdx', '--block-size', '1M'), { path: 'a.vhdx' });
  const info = json(folder, 'info', 'a.vhdx');
  assert.deepEqual([info['format'], info['kind'], info['sizeBytes'], info['blockBytes'], info['parents']],
    ['vhdx', 'dynamic', 8 * MIB, MIB, []]);
  json(folder, 'new', 'b.vhdx', '--parent', 'a.vhdx');
  const child = json(folder, 'info', 'b.vhdx');
  assert.equal(child['kind'], 'differencing');
  assert.equal((child['parents'] as unknown[]).length, 1);
  assert.deepEqual(json(folder, 'map', 'b.vhdx'),
    [{ positionBytes: 0, lengthBytes: 8 * MIB, state: 'data', depth: 1 }]);
  assert.match(vhd(folder, 'map', 'b.vhdx').stdout, /OFFSET.*\n0 .*8388608 .*data .*a\.vhdx/);
  json(folder, 'resize', 'b.vhdx', '12M');
  assert.deepEqual(json(folder, 'merge', 'b.vhdx'), { path: join(folder, 'a.vhdx') });
  assert.ok(!existsSync(join(folder, 'b.vhdx')));
  assert.equal(json(folder, 'info', 'a.vhdx')['sizeBytes'], 12 * MIB);
  json(folder, 'convert', 'a.vhdx', 'c.vhd');
  assert.equal(json(folder, 'check', 'c.vhd')['format'], 'vhd');
  const { bytesBefore, bytesAfter } = json(folder, 'compact', 'c.vhd');
  assert.ok(Number(bytesAfter) <= Number(bytesBefore));
  assert.deepEqual(readdirSync(folder).sort(), ['a.raw', 'a.vhdx', 'c.vhd']);
}));

test('info says in words what a disk is', () => inFolder((folder) => {
  vhd(folder, 'new', 'a.vhdx', '--size', '20G', '--sector-size', '4096');
  const { stdout, stderr } = vhd(folder, 'info', 'a.vhdx');
  assert.equal(stderr, '');
  assert.match(stdout,
    /format +vhdx, dynamic\nsize +20 GiB \(21474836480 bytes\)\nsectors +4096 bytes, 4096 physical\n/);
}));

test('a check says what is wrong, and repairs what it can', () => inFolder((folder) => {
  vhd(folder, 'new', 'a.vhdx', '--size', '20M');
  const descriptor = openSync(join(folder, 'a.vhdx'), 'r+');
  writeSync(descriptor, 'spoilt', 0x1_0010);
  closeSync(descriptor);
  const found = vhd(folder, 'check', 'a.vhdx');
  assert.equal(found.status, 2);
  assert.match(found.stdout, /^wrong: One of the two headers is not whole/);
  assert.match(found.stderr, /one thing is wrong/);
  assert.equal(vhd(folder, 'check', 'a.vhdx', '--repair').status, 0);
  assert.match(vhd(folder, 'check', 'a.vhdx').stderr, /nothing is wrong/);
  truncateSync(join(folder, 'a.vhdx'), MIB);
  const cut = vhd(folder, 'check', 'a.vhdx', '--repair');
  assert.equal(cut.status, 2);
  assert.match(cut.stdout, /^wrong: a\.vhdx is damaged: /);
}));

const REFUSED: readonly (readonly [words: readonly string[], sentence: RegExp])[] = [
  [['new', 'x.vhdx'], /a new disk needs a size: --size SIZE/],
  [['new', 'x.vhdx', '--size', 'big'], /--size is a size such as 512M or 20G, not big/],
  [['new', 'x', '--size', '1G'], /x does not end in \.vhdx, \.vhd, \.raw or \.img: say --format/],
  [['new', 'x', '--size', '1G', '--format', 'qcow2'], /--format is vhdx, vhd, raw, not qcow2/],
  [['new', 'x.raw', '--size', '1G', '--block-size', '1M'], /a raw image has no blocks/],
  [['new', 'x.vhdx', '--size', '1G', '--parent', 'a.vhdx'], /--size does not go with --parent/],
  [['new', 'a.vhdx', '--size', '1G'], /a\.vhdx is there already/],
  [['info', 'none.vhdx'], /cannot open none\.vhdx: there is no such file or folder/],
  [['info', '.'], /not an ordinary file|it is a folder/],
  [['resize', 'a.vhdx', '1M'], /with --shrink what is beyond 1048576 is cut off/],
  [['merge', 'a.vhdx'], /a\.vhdx has no parent to merge into/],
  [['compact', 'a.raw'], /a\.raw is a fixed disk/],
  [['check', 'a.vhdx', '--reconnect', 'a.raw'], /a\.vhdx is not a differencing disk/],
  [['convert', 'a.vhdx', 'a.raw'], /a\.raw is there already/],
];

test('what cannot be done is refused in one sentence', () => inFolder((folder) => {
  vhd(folder, 'new', 'a.vhdx', '--size', '20M');
  writeFileSync(join(folder, 'a.raw'), Buffer.alloc(MIB));
  for (const [words, sentence] of REFUSED) {
    const { status, stdout, stderr } = vhd(folder, ...words);
    assert.equal(status, 2, `${words.join(' ')}: ${stderr}`);
    assert.match(stderr, sentence);
    assert.equal(stderr.split('\n').length, 2, stderr);
    assert.equal(stdout, '');
  }
  assert.deepEqual(readdirSync(folder).sort(), ['a.raw', 'a.vhdx']);
}));

test('an interrupted conversion leaves nothing behind', () => inFolder(async (folder) => {
  writeFileSync(join(folder, 'a.raw'), Buffer.alloc(600 * MIB, 0x41));
  const child = spawn(process.execPath, [MAIN, 'vhd', 'convert', 'a.raw', 'b.vhdx'],
    { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'close');
  await once(child.stderr, 'data');
  child.kill('SIGINT');
  const [status] = await ended as [number];
  assert.equal(status, 130);
  assert.deepEqual(readdirSync(folder), ['a.raw']);
}));
