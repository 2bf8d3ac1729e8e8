/** The tree follows its own links, as a system with merged /usr needs, and lets nothing climb out of its root. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperatingError } from '../kit/errors.ts';
import type { ArchiveEntry } from './archive-entry.ts';
import { FileTree } from './file-tree.ts';

function archived(path: string, kind: ArchiveEntry['kind'] = 'file', target = ''): ArchiveEntry {
  return {
    path, kind, target, mode: 0o755, uid: 0, gid: 0, modifiedSeconds: 0, data: Buffer.from('x'), major: 0, minor: 0,
  };
}

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof OperatingError && message.test(error.message);
}

test('a package that ships /lib lands in /usr/lib where /lib is a link', () => {
  const tree = new FileTree();
  tree.addDirectory('usr/lib');
  tree.addSymlink('lib', 'usr/lib');
  tree.unpack([archived('./'), archived('./lib/', 'directory'), archived('./lib/x/y'), archived('/lib/z')]);
  const paths = tree.entries().map(([path]) => path);
  assert.deepEqual(paths, ['lib', 'usr', 'usr/lib', 'usr/lib/x', 'usr/lib/x/y', 'usr/lib/z']);
  assert.equal(tree.get('lib')?.kind, 'directory');
});

test('a link that leads above the root leads to the root', () => {
  const tree = new FileTree();
  tree.addFile('etc/passwd', 'ours');
  tree.addSymlink('out', '../../../../etc');
  tree.addFile('out/hosts', 'inside');
  assert.equal(tree.readText('etc/hosts'), 'inside');
  assert.equal(tree.readText('out/passwd'), 'ours');
});

for (const path of ['../x', './a/../../x', '/../etc/shadow', 'a/..']) {
  test(`refuses the path ${path}`, () => {
    assert.throws(() => new FileTree().unpack([archived(path)]), refusal(/leaves the tree/));
  });
}

test('refuses a hard link out of the tree, and one to nothing', () => {
  const linkTo = (target: string) => (): void => new FileTree().unpack([archived('a', 'hardlink', target)]);
  assert.throws(linkTo('../../etc/shadow'), refusal(/leaves the tree/));
  assert.throws(linkTo('b'), refusal(/is no file in it/));
});

test('links in a circle are an error, not a hang', () => {
  const tree = new FileTree();
  tree.addSymlink('a', 'b');
  tree.addSymlink('b', 'a');
  assert.throws(() => tree.addFile('a/x', ''), refusal(/in a circle/));
});

test('a file is no directory and a directory gives way to nothing', () => {
  const tree = new FileTree();
  tree.addFile('f', '');
  tree.addDirectory('d');
  assert.throws(() => tree.addFile('f/x', ''), refusal(/stands where a directory is needed/));
  assert.throws(() => tree.addFile('d', ''), refusal(/cannot be replaced/));
  assert.throws(() => tree.addDirectory('f'), refusal(/cannot be replaced/));
  assert.equal(tree.get('f/x'), undefined);
});

test('a directory comes before what it holds, whatever the names are', () => {
  const tree = new FileTree();
  for (const path of ['a/b', 'a-b', 'a/b-c', 'a.d/e', 'ab']) tree.addFile(path, '');
  const paths = tree.entries().map(([path]) => path);
  for (const path of paths) {
    const parent = path.slice(0, Math.max(path.lastIndexOf('/'), 0));
    assert.ok(parent === '' || paths.indexOf(parent) < paths.indexOf(path), `${parent} before ${path}`);
  }
});
