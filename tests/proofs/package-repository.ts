/** A repository of one package, for an apt to take it from. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const PACKAGE = 'partout-proof';

/** Its files by their names. The package has a program of its name, and leaves a file when it is set up. */
export function repositoryOf(folder: string): Map<string, Uint8Array> {
  const tree = join(folder, 'package');
  mkdirSync(join(tree, 'DEBIAN'), { recursive: true });
  mkdirSync(join(tree, 'usr/bin'), { recursive: true });
  const control = `Package: ${PACKAGE}\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@localhost>\n`
    + 'Description: shows that packages install\n';
  writeFileSync(join(tree, 'DEBIAN/control'), control);
  const setUp = '#!/bin/sh\nmkdir -p /var/lib/partout\ntouch /var/lib/partout/proved\n';
  writeFileSync(join(tree, 'DEBIAN/postinst'), setUp, { mode: 0o755 });
  writeFileSync(join(tree, 'usr/bin', PACKAGE), '#!/bin/sh\necho "installed and" run\n', { mode: 0o755 });
  const deb = join(folder, 'package.deb');
  assert.equal(spawnSync('dpkg-deb', ['--build', '--root-owner-group', tree, deb]).status, 0);
  const data = readFileSync(deb);
  const sha256 = createHash('sha256').update(data).digest('hex');
  const index = `${control}Filename: ./package.deb\nSize: ${data.length}\nSHA256: ${sha256}\n`;
  return new Map([['Packages', Buffer.from(index)], ['package.deb', data]]);
}
