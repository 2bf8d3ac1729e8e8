/**
 * The files of a Debian system that its maintainer scripts would have written. None of those scripts is run on the
 * host, so this is the least that makes a login and the usual tools work; the packages are recorded as unpacked, and
 * `dpkg --configure -a` within the guest can finish what these files only stand in for.
 */

import { badArchive } from './bad-archive.ts';
import type { FileTree } from './file-tree.ts';
import { readGuestFile } from './recipe.ts';

/** Links that `update-alternatives` would make, where their targets are there. */
const ALTERNATIVES: Readonly<Record<string, string>> = {
  'usr/bin/awk': 'mawk',
  'usr/bin/nawk': 'mawk',
  'usr/bin/cc': 'gcc',
  'usr/bin/pager': 'more',
  'usr/bin/which': 'which.debianutils',
};

/** Packages copy these on their first configuration. */
const COPIES: Readonly<Record<string, string>> = {
  'etc/profile': 'usr/share/base-files/profile',
  'root/.bashrc': 'usr/share/base-files/dot.bashrc',
  'root/.profile': 'usr/share/base-files/dot.profile',
  'etc/nsswitch.conf': 'usr/share/libc-bin/nsswitch.conf',
};

/** PAM as `pam-auth-update` writes it for the profile "unix", but that an empty password is one. */
const PAM: Readonly<Record<string, string>> = {
  'common-auth': 'auth [success=1 default=ignore] pam_unix.so nullok\n'
    + 'auth requisite pam_deny.so\nauth required pam_permit.so\n',
  'common-account': 'account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\n'
    + 'account requisite pam_deny.so\naccount required pam_permit.so\n',
  'common-password': 'password [success=1 default=ignore] pam_unix.so obscure yescrypt\n'
    + 'password requisite pam_deny.so\npassword required pam_permit.so\n',
  'common-session': 'session required pam_permit.so\nsession required pam_unix.so\n',
  'common-session-noninteractive': 'session required pam_permit.so\nsession required pam_unix.so\n',
};

const SHADOW_GROUP_ID = 42;
const UTMP_GROUP_ID = 43;

/** Links of merged /usr and directories, which must be there before anything is unpacked. */
export function addDebianSkeleton(tree: FileTree): void {
  for (const path of ['usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64', 'dev', 'proc', 'sys', 'run/lock', 'var']) {
    tree.addDirectory(path);
  }
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) tree.addSymlink(name, `usr/${name}`);
  tree.addSymlink('var/run', '/run');
  tree.addSymlink('var/lock', '/run/lock');
  tree.addDirectory('root', { mode: 0o700 });
  tree.addDirectory('tmp', { mode: 0o1777 });
}

export function configureDebian(tree: FileTree): void {
  tree.addDevice('dev/console', 'character', 5, 1);
  tree.addDevice('dev/null', 'character', 1, 3, { mode: 0o666 });
  tree.addFile('init', readGuestFile('debian-initramfs/init'), { mode: 0o755 });
  tree.addFile('etc/inittab', readGuestFile('debian-initramfs/inittab'));
  tree.addFile('etc/partout/stop', readGuestFile('debian-initramfs/stop'), { mode: 0o755 });
  addUsers(tree);
  for (const [name, text] of Object.entries(PAM)) tree.addFile(`etc/pam.d/${name}`, text);
  for (const [path, source] of Object.entries(COPIES)) {
    const node = tree.get(source);
    if (node !== undefined && tree.get(path) === undefined) tree.add(path, node);
  }
  for (const [path, target] of Object.entries(ALTERNATIVES)) {
    if (tree.get(`usr/bin/${target}`) !== undefined && tree.get(path) === undefined) tree.addSymlink(path, target);
  }
  tree.addFile('etc/hostname', 'debian\n');
  tree.addFile('etc/hosts', '127.0.0.1 localhost debian\n::1 localhost\n');
  tree.addFile('etc/shells', '/bin/sh\n/bin/dash\n/bin/bash\n');
  tree.addFile('etc/fstab', '# Everything is mounted by /init.\n');
  tree.addFile('etc/environment', '');
  tree.addSymlink('etc/mtab', '../proc/self/mounts');
  tree.addFile('var/log/wtmp', '', { mode: 0o664, gid: UTMP_GROUP_ID });
  tree.addFile('var/log/lastlog', '', { mode: 0o664, gid: UTMP_GROUP_ID });
  tree.addFile('var/log/btmp', '', { mode: 0o660, gid: UTMP_GROUP_ID });
}

/** base-passwd's users and groups; root may log in with an empty password, nobody else may log in. */
function addUsers(tree: FileTree): void {
  const users = tree.readText('usr/share/base-passwd/passwd.master');
  const groups = tree.readText('usr/share/base-passwd/group.master');
  if (users === undefined || groups === undefined) throw badArchive('the package base-passwd holds no list of users');
  const lines = users.split('\n').filter((line) => line !== '').map((line) => line.split(':'));
  tree.addFile('etc/passwd', lines.map(([name, , ...rest]) => `${[name, 'x', ...rest].join(':')}\n`).join(''));
  const shadow = lines.map(([name]) => `${name}:${name === 'root' ? '' : '*'}:19000:0:99999:7:::\n`).join('');
  tree.addFile('etc/shadow', shadow, { mode: 0o640, gid: SHADOW_GROUP_ID });
  tree.addFile('etc/group', groups);
}
