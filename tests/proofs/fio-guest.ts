/** A small guest with Debian's fio in it, for proofs that write to disks. */

import { join } from 'node:path';
import { type GuestImage, guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { programFiles } from '../program-files.ts';

/** The tiny image with fio; the new initramfs lies in `folder`. */
export function fioImage(folder: string): GuestImage {
  const tiny = guestImage('tiny');
  const debian = guestImage('debian-initramfs', undefined, ['fio']);
  const initrd = join(folder, 'initrd');
  extendInitramfs(tiny.initrd, programFiles(debian.initrd, ['usr/bin/fio']), initrd);
  return { ...tiny, initrd };
}

/** One job: random writes that are read back and compared while others go on. */
export function fioJob(name: string, disk: string, offset: string, more: readonly string[] = []): string[] {
  return [
    `--name=${name}`, `--filename=${disk}`, `--offset=${offset}`, '--size=32m', '--rw=randwrite', '--bs=8k',
    '--ioengine=libaio', '--direct=1', '--iodepth=32', '--verify=crc32c', '--verify_backlog=256', '--verify_fatal=1',
    '--fsync=100', '--randrepeat=0', ...more,
  ];
}
