import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileSystem } from '../file-system.ts';
import type { DiskFiles, MountedPartition } from './disk-files.ts';
import { findExtlinuxEntry } from './extlinux.ts';
import { findGrubEntry } from './grub.ts';
import { findSystemdBootEntry } from './loader-specification.ts';

/** As update-grub of Debian 12 writes it, shortened where entries are like one another. */
const DEBIAN = String.raw`
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${'${next_entry}'}" ] ; then
   set default="${'${next_entry}'}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="DEFAULT"
fi

if [ x"${'${feature_menuentry_id}'}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi

export menuentry_id_option
function savedefault {
  if [ -z "${'${boot_once}'}" ]; then
    saved_entry="${'${chosen}'}"
    save_env saved_entry
  fi
}
### BEGIN /etc/grub.d/10_linux ###
function gfxmode {
	set gfxpayload="${'${1}'}"
}
menuentry 'Debian GNU/Linux' --class debian --class os $menuentry_id_option 'gnulinux-simple-1234' {
	load_video
	insmod gzio
	if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
	set root='hd0,gpt9'
	search --no-floppy --fs-uuid --set=root --hint-bios=hd0,gpt1 1234-AB
	echo	'Loading Linux 6.1.0-56-cloud-amd64 ...'
	linux	/boot/vmlinuz-6.1.0-56 root=UUID=1234-AB ro  console=tty0 "a b" quiet
	echo	'Loading initial ramdisk ...'
	initrd	/boot/early.img /boot/initrd.img-6.1.0-56
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-1234' {
	menuentry 'Debian GNU/Linux, with Linux 6.1.0-55' --class debian $menuentry_id_option 'gnulinux-6.1.0-55' {
		search --no-floppy --label --set=root other
		linux	/vmlinuz-6.1.0-55 root=LABEL=other ro single
	}
}
if [ -f  ${'${config_directory}'}/custom.cfg ]; then
  source ${'${config_directory}'}/custom.cfg
elif [ -z "${'${config_directory}'}" -a -f  $prefix/custom.cfg ]; then
  source $prefix/custom.cfg
fi
`;

interface Content {
  readonly uuid: string;
  readonly label?: string;
  readonly files: Readonly<Record<string, string>>;
}

function diskWith(...contents: readonly Content[]): DiskFiles {
  const partitions = contents.map(({ uuid, label = '', files }, index): MountedPartition => {
    const kindOf = (path: string): 'file' | 'folder' | undefined => {
      if (files[path] !== undefined) return 'file';
      return Object.keys(files).some((each) => each.startsWith(`${path}/`)) ? 'folder' : undefined;
    };
    const system = {
      uuid, label, kindOf, readText: (path: string) => files[path],
      list: (path: string) => Object.keys(files).filter((each) => each.startsWith(`${path}/`))
        .map((each) => each.slice(path.length + 1)),
    };
    return { number: index + 1, partitionUuid: '', files: system as unknown as FileSystem } as MountedPartition;
  });
  return { partitions, failures: [] } as unknown as DiskFiles;
}

function debian(defaultEntry: string, files: Content['files'] = {}): DiskFiles {
  return diskWith(
    { uuid: '1234-ab', files: {
      '/boot/grub/grub.cfg': DEBIAN.replace('DEFAULT', defaultEntry), '/boot/vmlinuz-6.1.0-56': 'kernel',
      '/boot/initrd.img-6.1.0-56': 'initrd', '/boot/early.img': 'early', ...files,
    } },
    { uuid: '5678-CD', label: 'other', files: { '/vmlinuz-6.1.0-55': 'older' } },
  );
}

test('the first entry of a Debian configuration is what GRUB takes', () => {
  assert.deepEqual(findGrubEntry(debian('0')), {
    title: 'Debian GNU/Linux', loader: 'grub', kernel: { partition: 1, path: '/boot/vmlinuz-6.1.0-56' },
    initrds: [{ partition: 1, path: '/boot/early.img' }, { partition: 1, path: '/boot/initrd.img-6.1.0-56' }],
    commandLine: 'root=UUID=1234-AB ro console=tty0 a b quiet',
  });
});

for (const name of [
  '1>0', 'gnulinux-advanced-1234>gnulinux-6.1.0-55',
  'Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-55',
]) {
  test(`an entry of a submenu can be the default: ${name}`, () => {
    const entry = findGrubEntry(debian(name));
    assert.ok(typeof entry === 'object');
    assert.deepEqual(entry.kernel, { partition: 2, path: '/vmlinuz-6.1.0-55' });
    assert.equal(entry.commandLine, 'root=LABEL=other ro single');
    assert.deepEqual(entry.initrds, []);
  });
}

test('the environment block says what the saved or the next entry is', () => {
  const environment = `# GRUB Environment Block\nsaved_entry=gnulinux-simple-1234\n${'#'.repeat(100)}`;
  const saved = findGrubEntry(debian('${saved_entry}', { '/boot/grub/grubenv': environment }));
  assert.equal(typeof saved === 'object' && saved.title, 'Debian GNU/Linux');
  const next = '# GRUB Environment Block\nnext_entry=1>0\n####';
  const once = findGrubEntry(debian('0', { '/boot/grub/grubenv': next }));
  assert.equal(typeof once === 'object' && once.kernel.partition, 2);
});

test('a default that is not there is the first entry; a file that is not there is none', () => {
  const missing = findGrubEntry(debian('something else'));
  assert.equal(typeof missing === 'object' && missing.title, 'Debian GNU/Linux');
  const text = 'menuentry "x" { linux /nothing }';
  assert.equal(findGrubEntry(diskWith({ uuid: '', files: { '/boot/grub/grub.cfg': text } })), 'nothing to start');
  assert.equal(findGrubEntry(diskWith({ uuid: '', files: {} })), undefined);
});

test('loops, functions with parameters, && and || and custom.cfg do what they do in GRUB', () => {
  const text = [
    'function pick { if [ "$1" = b -a $# -eq 2 ] ; then set name=$1$2; fi }', 'for x in a b c; do pick $x z; done',
    'false && set name=wrong || set other=right', 'set n=0; until [ "$n" = xxx ]; do',
    '  if [ "$n" = 0 ]; then n=x; else n=x$n; fi', 'done', 'while false; do set n=never; done',
    'if ! [ -e /nothing ]; then set third=yes; elif true; then set third=no; else set third=no; fi',
    "set default=2", 'menuentry one { true; }', "menuentry 'two' { true }", 'menuentry "the \\"third\\" $name" {',
    '  linux (hd0,gpt1)/k name=$name other=${other} n=$n third=$third "$nothing" $nothing \\', '    end', '}',
  ].join('\n');
  const entry = findGrubEntry(diskWith({ uuid: '', files: { '/grub/grub.cfg': text, '/k': 'kernel' } }));
  assert.ok(typeof entry === 'object');
  assert.equal(entry.title, 'the "third" bz');
  assert.equal(entry.commandLine, 'name=bz other=right n=xxx third=yes end');
});

for (const [what, text] of [
  ['a loop without an end', 'while true; do true; done'], ['recursion without an end', 'function f { f; f; }; f'],
  ['a configuration that reads itself', 'source /grub/grub.cfg; source /grub/grub.cfg'],
  ['values that double', `a=xxxxxxxx${'; a=$a$a'.repeat(60)}`], ['blocks in blocks', 'if true; then '.repeat(5000)],
  ['a quote without an end', "menuentry 'x"], ['a block that is not closed', 'menuentry x { linux /k'],
] as const) {
  test(`${what} starts nothing, and soon`, () => {
    const disk = diskWith({ uuid: '', files: { '/grub/grub.cfg': text, '/k': '' } });
    assert.equal(findGrubEntry(disk), 'nothing to start');
  });
}

test('entries of the Boot Loader Specification are started by systemd-boot and by a GRUB that asks for them', () => {
  const entries = {
    '/loader/entries/a-6.9.conf': 'title Fedora (6.9)\nversion 6.9\nlinux /k9\ninitrd /i9\n'
      + 'options root=UUID=1 $extra\n',
    '/loader/entries/a-6.12.conf': 'title Fedora (6.12)\nversion 6.12\nlinux /k12\ninitrd /i12 $tuned\n'
      + 'options root=UUID=1\n',
    '/k9': '', '/k12': '', '/i9': '', '/i12': '',
  };
  const newest = findSystemdBootEntry(diskWith({ uuid: '', files: entries }));
  assert.deepEqual([newest?.title, newest?.kernel.path], ['Fedora (6.12)', '/k12']);
  const settings = { '/loader/loader.conf': '#default x\ndefault a-6.9*\ntimeout 3\n' };
  const chosen = findSystemdBootEntry(diskWith({ uuid: '', files: { ...entries, ...settings } }));
  assert.equal(chosen?.kernel.path, '/k9');
  const grub = findGrubEntry(diskWith({ uuid: '', files: {
    ...entries, '/grub2/grub.cfg': 'set extra="quiet rhgb"\nset default=a-6.9\nblscfg\n',
  } }));
  assert.ok(typeof grub === 'object');
  assert.deepEqual([grub.commandLine, grub.initrds], ['root=UUID=1 quiet rhgb', [{ partition: 1, path: '/i9' }]]);
});

test('EXTLINUX starts its default label', () => {
  const text = 'DEFAULT second\nPROMPT 0\nLABEL first\n  LINUX /k1\nLABEL second\n  MENU LABEL The second\n'
    + '  LINUX ../k2\n  INITRD /i2,/j2\n  APPEND root=/dev/sda1 ro\n';
  const entry = findExtlinuxEntry(diskWith({ uuid: '', files: {
    '/extlinux/extlinux.conf': text, '/k1': '', '/extlinux/../k2': '', '/i2': '',
  } }));
  assert.deepEqual(entry, {
    title: 'The second', loader: 'extlinux', kernel: { partition: 1, path: '/extlinux/../k2' },
    initrds: [{ partition: 1, path: '/i2' }, { partition: 1, path: '/j2' }], commandLine: 'root=/dev/sda1 ro',
  });
});
