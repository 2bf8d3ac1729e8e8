/**
 * The tiny guest: a static busybox and the Hyper-V drivers, a few megabytes, at a shell in the time that the kernel
 * takes to boot. Everything in it is in `/bin`; `/sbin` and `/usr` lead there.
 */

import type { Apt, PackageVersion } from './apt.ts';
import { badArchive } from './bad-archive.ts';
import type { DebianPackage } from './deb.ts';
import { FileTree } from './file-tree.ts';
import { addGuestCommands, COMMAND_FILES } from './guest-commands.ts';
import type { KernelModules } from './kernel-modules.ts';
import { type Recipe, addHyperVModules, readGuestFile } from './recipe.ts';

const BUSYBOX_PACKAGE = 'busybox-static';
const MAX_APPLETS = 1000;

export const tinyRecipe: Recipe = {
  name: 'tiny',
  revision: 2,
  guestFiles: ['tiny/init', 'tiny/inittab', 'tiny/udhcpc.script', 'hyperv-modules', ...COMMAND_FILES],
  takesPackages: false,
  commandLine: 'console=ttyS0',

  async choose(apt: Apt): Promise<PackageVersion[]> {
    const [busybox] = await apt.show([BUSYBOX_PACKAGE]);
    return [{ name: BUSYBOX_PACKAGE, version: busybox!.get('version')! }];
  },

  async assemble([busyboxPackage]: readonly DebianPackage[], modules: KernelModules): Promise<FileTree> {
    const unpacked = new FileTree();
    unpacked.unpack(busyboxPackage!.files(), (path) => path.endsWith('bin/busybox'));
    const busybox = unpacked.get('bin/busybox') ?? unpacked.get('usr/bin/busybox');
    if (busybox?.kind !== 'file') throw badArchive(`the package ${BUSYBOX_PACKAGE} holds no /bin/busybox`);
    const tree = new FileTree();
    addSkeleton(tree);
    tree.add('bin/busybox', busybox);
    addGuestCommands(tree, 'bin');
    for (const applet of appletNames(busybox.data)) tree.addSymlink(`bin/${applet}`, 'busybox');
    const moduleFiles = await addHyperVModules(tree, modules);
    tree.addFile('etc/vmbus-modules', moduleFiles.map((path) => `${path}\n`).join(''));
    return tree;
  },
};

function addSkeleton(tree: FileTree): void {
  for (const path of [
    'bin', 'dev', 'etc/rc.d', 'etc/udhcpc', 'lib', 'mnt', 'proc', 'root', 'run', 'sys', 'usr', 'var/log',
  ]) {
    tree.addDirectory(path);
  }
  tree.addDirectory('tmp', { mode: 0o1777 });
  tree.addSymlink('sbin', 'bin');
  tree.addSymlink('usr/bin', '../bin');
  tree.addSymlink('usr/sbin', '../bin');
  // The kernel opens the console for the first process before that has mounted /dev.
  tree.addDevice('dev/console', 'character', 5, 1);
  tree.addDevice('dev/null', 'character', 1, 3, { mode: 0o666 });
  tree.addFile('init', readGuestFile('tiny/init'), { mode: 0o755 });
  tree.addFile('etc/inittab', readGuestFile('tiny/inittab'));
  tree.addFile('etc/udhcpc/default.script', readGuestFile('tiny/udhcpc.script'), { mode: 0o755 });
  tree.addFile('etc/passwd', 'root::0:0:root:/root:/bin/sh\n');
  tree.addFile('etc/group', 'root:x:0:\n');
  tree.addFile('etc/hosts', '127.0.0.1 localhost\n');
}

/**
 * The commands that a busybox has, without running it: its table of names is one sorted text, each ended by NUL, which
 * always begins with "[" and "[[" (busybox include/applet_tables.h, as its build writes it).
 */
export function appletNames(program: Uint8Array): string[] {
  const bytes = Buffer.from(program.buffer, program.byteOffset, program.length);
  const names: string[] = [];
  let offset = bytes.indexOf('[\0[[\0', 0, 'latin1');
  while (offset >= 0 && names.length < MAX_APPLETS) {
    const end = bytes.indexOf(0, offset);
    const name = bytes.toString('latin1', offset, end);
    if (end < 0 || !/^[\w[.-]+$/.test(name)) break;
    if (name !== 'busybox') names.push(name);
    offset = end + 1;
  }
  if (!names.includes('sh')) throw badArchive('the busybox has no table of commands that could be read');
  return names;
}
