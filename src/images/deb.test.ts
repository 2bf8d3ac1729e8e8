/** Packages made by dpkg-deb, where it is installed, are read; what only looks like a package is refused. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { OperatingError } from '../kit/errors.ts';
import { readDeb, uncompressedDeb } from './deb.ts';

const CONTROL = 'Package: sample\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n';
const NO_DPKG = spawnSync('dpkg-deb', ['--version']).status !== 0 && 'there is no dpkg-deb here';

const folder = mkdtempSync(join(tmpdir(), 'partout-deb-'));
after(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, 'root/DEBIAN'), { recursive: true });
mkdirSync(join(folder, 'root/usr/bin'), { recursive: true });
chmodSync(join(folder, 'root/DEBIAN'), 0o755);
writeFileSync(join(folder, 'root/DEBIAN/control'), CONTROL);
writeFileSync(join(folder, 'root/DEBIAN/postinst'), '#!/bin/sh\n', { mode: 0o755 });
writeFileSync(join(folder, 'root/usr/bin/sample'), 'program', { mode: 0o755 });

for (const compression of ['gzip', 'xz', 'zstd', 'none']) {
  test(`reads a package with ${compression} members`, { skip: NO_DPKG }, async () => {
    const file = join(folder, `${compression}.deb`);
    const built = spawnSync('dpkg-deb', ['--root-owner-group', `-Z${compression}`, '-b', join(folder, 'root'), file]);
    assert.equal(built.status, 0, built.stderr.toString());
    const sample = await readDeb(readFileSync(file), 'sample.deb');
    assert.equal(sample.control.get('package'), 'sample');
    assert.deepEqual([...sample.controlFiles.keys()], ['postinst']);
    const program = [...sample.files()].find(({ path }) => path === './usr/bin/sample')!;
    assert.deepEqual([program.mode, program.uid, Buffer.from(program.data).toString()], [0o755, 0, 'program']);
    // Not compressed, it is the same package to dpkg.
    const plain = join(folder, `${compression}-plain.deb`);
    writeFileSync(plain, await uncompressedDeb(readFileSync(file), 'sample.deb'));
    const contents = [file, plain].map((path) => spawnSync('dpkg-deb', ['-c', path], { encoding: 'utf8' }).stdout);
    assert.ok(contents[0] !== '' && contents[0] === contents[1], contents.join());
  });
}

test('an ar archive of other things is no package', async () => {
  const isRefusal = (error: unknown): boolean =>
    error instanceof OperatingError && error.message === 'x.deb is no Debian package of format 2';
  await assert.rejects(readDeb(Buffer.from('!<arch>\n'), 'x.deb'), isRefusal);
});
