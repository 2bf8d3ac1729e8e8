/**
 * Ordinary programs give byte-identical output natively and in the guest. Both sides run the same files: the Debian
 * image's, in the guest as its first process, on the host with its root directory changed to the unpacked image.
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Guest, guestImage } from '../guest.ts';
import { extendInitramfs, unpackInitramfs } from '../initramfs.ts';

const WORK_MS = 60 * 60_000;
const MEMORY = '2G';
/** The guest's processor has none of these, and the mathematical library rounds differently where it uses them. */
const NATIVE_TUNABLES = 'glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-FMA,-FMA4,-BMI1,-BMI2,-MOVBE,-LZCNT';
const NATIVE_OPENSSL = '0:0'; // OPENSSL_ia32cap: no extensions, as far as it lets itself be told
const INIT = `#!/bin/sh
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
mount -t devtmpfs devtmpfs /dev; mount -t proc proc /proc; mkdir -p /tmp
echo ">>>"; sh /workload.sh; echo "<<<$?"
echo o > /proc/sysrq-trigger; sleep 60
`;

const workload = readFileSync(new URL('../../../tests/proofs/workload.sh', import.meta.url), 'utf8');
const image = guestImage('debian-initramfs');
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));

function native(): string {
  const root = join(folder, 'root');
  unpackInitramfs(image.initrd, root);
  writeFileSync(join(root, 'workload.sh'), workload);
  mkdirSync(join(root, 'tmp'), { recursive: true });
  const { status, stdout, stderr } = spawnSync(
    'unshare', ['--map-root-user', `--root=${root}`, '/bin/sh', '/workload.sh'],
    { encoding: 'utf8', env: { GLIBC_TUNABLES: NATIVE_TUNABLES, OPENSSL_ia32cap: NATIVE_OPENSSL, TMPDIR: '/tmp' } },
  );
  if (status !== 0) throw new Error(`the programs fail natively with ${status}:\n${stdout}\n${stderr}`);
  return stdout;
}

async function inGuest(): Promise<string> {
  const initrd = join(folder, 'initrd');
  extendInitramfs(image.initrd, { 'proof-init': INIT, 'workload.sh': workload }, initrd);
  await using guest = new Guest({
    kernel: image.kernel, initrd, append: `${image.commandLine} quiet rdinit=/proof-init`, words: ['--memory', MEMORY],
  });
  await guest.expect(/>>>\r+\n/, WORK_MS);
  const end = await guest.expect(/<<<(\d+)\r+\n/, WORK_MS);
  const from = guest.console.indexOf('>>>') + '>>>'.length;
  const output = guest.console.slice(from, guest.console.indexOf('<<<', from)).replaceAll('\r', '').replace(/^\n/, '');
  if (end[1] !== '0') throw new Error(`the programs fail in the guest with ${end[1]}:\n${output}`);
  return output;
}

try {
  const [expected, actual] = [native().split('\n'), (await inGuest()).split('\n')];
  const different = expected.filter((line, index) => line !== actual[index]);
  expected.forEach((line, index) => {
    if (line !== actual[index]) process.stdout.write(`native ${line}\nguest  ${actual[index] ?? ''}\n`);
  });
  const same = different.length === 0 && expected.length === actual.length;
  process.stdout.write(`figure: ${expected.length - different.length} of ${expected.length} lines of python3, perl, ` +
    'openssl, gzip, awk, sort, gcc and what it compiled are the same natively and in the guest\n');
  process.exitCode = same ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
