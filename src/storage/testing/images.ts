/** Images in a folder of their own, and qemu-img, for tests that look at whole files. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Disk } from '../disk.ts';
import { HostFile } from '../host-file.ts';
import { openDisk } from '../open-disk.ts';

/** False, or why tests that need qemu-img are skipped. */
export const skipWithoutQemu: string | false =
  spawnSync('qemu-img', ['--version']).error === undefined ? false : 'qemu-img (qemu-utils) is not installed';

/** False, or why tests that go past the host's page cache are skipped. */
export const skipWithoutDirectAccess: string | false = hasDirectAccess(tmpdir()) ? false
  : `the file system of ${tmpdir()} has only cached access`;

function hasDirectAccess(parent: string): boolean {
  const folder = mkdtempSync(join(parent, 'partout-'));
  const path = join(folder, 'file');
  try {
    writeFileSync(path, 'a file');
    new HostFile(path, { readOnly: true, cache: 'none' }).closeSync();
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A folder that goes when the test is over. */
export async function withFolder(run: (at: (name: string) => string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'partout-'));
  try {
    await run((name) => join(folder, name));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs qemu-img; what it says, or an error with what it says when it fails. */
export function qemuImg(...words: string[]): string {
  const { status, stdout, stderr } = spawnSync('qemu-img', words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`qemu-img ${words.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

/** Opens, does something, and closes whatever comes of it. */
export function withDisk<T>(path: string, readOnly: boolean, run: (disk: Disk) => T): T {
  const disk = openDisk(path, { readOnly });
  try {
    return run(disk);
  } finally {
    disk.closeSync();
  }
}

/** Everything that a disk reads as. */
export function contentOf(path: string): Uint8Array {
  return withDisk(path, true, (disk) => {
    const bytes = new Uint8Array(disk.geometry.sizeBytes);
    disk.readSync(bytes, 0, bytes.length, 0);
    return bytes;
  });
}
