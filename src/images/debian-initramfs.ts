/**
 * The Debian guest in memory: a small Debian system, whole in the initramfs, at a login on the serial console. Packages
 * are unpacked as dpkg would, without manuals and translations; see `debian-configuration.ts` for what is configured.
 */

import type { Apt, PackageVersion } from './apt.ts';
import type { DebianPackage } from './deb.ts';
import { addDebianSkeleton, configureDebian } from './debian-configuration.ts';
import { FileTree } from './file-tree.ts';
import { addGuestCommands, COMMAND_FILES } from './guest-commands.ts';
import type { KernelModules } from './kernel-modules.ts';
import { type Recipe, type RecipeOptions, addHyperVModules, readGuestList } from './recipe.ts';

/** What a guest in memory does without. */
export const UNWANTED = /^usr\/share\/(doc|doc-base|man|info|locale|lintian|bug|menu)\//;
/** Control files that only tools for building packages read. */
const UNWANTED_CONTROL = /^(md5sums|shlibs|symbols)$/;

export const debianInitramfsRecipe: Recipe = {
  name: 'debian-initramfs',
  revision: 1,
  guestFiles: [
    'debian-initramfs/init', 'debian-initramfs/inittab', 'debian-initramfs/stop', 'debian-initramfs/packages',
    'hyperv-modules', ...COMMAND_FILES,
  ],
  takesPackages: true,
  // With this the root file system takes all the memory it needs; without, it is limited to half of it.
  commandLine: 'console=ttyS0 rootfstype=ramfs',

  async choose(apt: Apt, options: RecipeOptions): Promise<PackageVersion[]> {
    return await apt.resolve(['?essential', ...readGuestList('debian-initramfs/packages'), ...options.packages ?? []]);
  },

  async assemble(packages: readonly DebianPackage[], modules: KernelModules): Promise<FileTree> {
    const tree = new FileTree();
    addDebianSkeleton(tree);
    for (const debianPackage of packages) {
      tree.unpack(debianPackage.files(), (path) => !UNWANTED.test(path));
    }
    for (const debianPackage of packages) recordPackage(tree, debianPackage);
    tree.addFile('var/lib/dpkg/status', packages.map(statusEntry).join(''));
    tree.addFile('var/lib/dpkg/available', '');
    tree.addFile('var/lib/dpkg/info/format', '1\n');
    const moduleFiles = await addHyperVModules(tree, modules);
    tree.addFile('etc/partout/vmbus-modules', moduleFiles.map((path) => `${path}\n`).join(''));
    addGuestCommands(tree, 'usr/bin');
    configureDebian(tree);
    return tree;
  },
};

/** What dpkg keeps about an unpacked package (dpkg(1), /var/lib/dpkg/info). */
function recordPackage(tree: FileTree, { control, controlFiles, files }: DebianPackage): void {
  const isSame = control.get('multi-arch') === 'same';
  const name = `${control.get('package')!}${isSame ? `:${control.get('architecture')!}` : ''}`;
  const paths = [...files()].map(({ path }) => path.replace(/^\.?\/?/, '/').replace(/(.)\/$/, '$1'));
  tree.addFile(`var/lib/dpkg/info/${name}.list`, paths.map((path) => `${path === '/' ? '/.' : path}\n`).join(''));
  for (const [file, data] of controlFiles) {
    const isScript = /^(pre|post)(inst|rm)$|^config$/.test(file);
    if (!UNWANTED_CONTROL.test(file) && /^\w+$/.test(file)) {
      tree.addFile(`var/lib/dpkg/info/${name}.${file}`, data, { mode: isScript ? 0o755 : 0o644 });
    }
  }
}

function statusEntry({ controlText }: DebianPackage): string {
  return `${controlText.replace(/^Package: .*$/m, '$&\nStatus: install ok unpacked')}\n\n`;
}
