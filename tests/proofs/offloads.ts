/**
 * Everything that can be switched on the adapter of a stock guest, under traffic, with the kernel of a Debian suite.
 * `offloads.js SUITE`.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { switchEverything } from '../adapter-switching.ts';
import { guestImage } from '../guest.ts';

const suite = process.argv[2] ?? 'trixie';
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
try {
  await switchEverything(guestImage('tiny', suite), folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write('figure: ethtool -K, -L, -X, mtu 9000, link down and up, adapters that come and go\n');
