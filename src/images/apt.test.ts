/** apt's private use, against a small unsigned archive on the disk that only these tests know. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { OperatingError } from '../kit/errors.ts';
import { Apt, parseSimulation } from './apt.ts';
import { readHostSuite } from './apt-configuration.ts';

const folder = mkdtempSync(join(tmpdir(), 'partout-apt-'));
after(() => rmSync(folder, { recursive: true }));

const isDebian = existsSync('/usr/bin/apt-get') && await readHostSuite() !== undefined;
const options = { skip: !isDebian && 'this host has no apt for Debian' };

/** name, version, dependencies, and what stands in the place of a package file. */
const PACKAGES: readonly (readonly [name: string, version: string, depends: string])[] = [
  ['top', '1:2.0-1', 'middle (>= 1.5), base'],
  ['middle', '1.4', ''],
  ['middle', '1.6', 'base'],
  ['base', '1', ''],
  ['broken', '1', 'middle (>= 9)'],
];

const archive = join(folder, 'archive');
mkdirSync(archive);
const index = PACKAGES.map(([name, version, depends]) => {
  const file = `${name}_${version.replace(':', '')}.deb`;
  const content = `the package ${name} ${version}`;
  writeFileSync(join(archive, file), content);
  const digest = createHash('sha256').update(content).digest('hex');
  return `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\nMaintainer: x <x@example.org>\nDescription: x\n${
    depends === '' ? '' : `Depends: ${depends}\n`}Filename: ./${file}\nSize: ${content.length}\nSHA256: ${digest}\n\n`;
});
writeFileSync(join(archive, 'Packages'), index.join(''));
const sourceList = join(folder, 'sources.list');
writeFileSync(sourceList, `deb [trusted=yes] file:${archive} ./\n`);
const aptConfiguration = join(folder, 'host.conf');
writeFileSync(aptConfiguration, `Dir::Etc::sourcelist "${sourceList}";\nDir::Etc::sourceparts "/dev/null";\n`
  + `APT::Update::Post-Invoke { "touch ${join(folder, 'hook-ran')}"; };\n`);
const environment = { ...process.env, APT_CONFIG: aptConfiguration };

let directories = 0;

async function openApt(): Promise<Apt> {
  return await Apt.open({ directory: join(folder, `private-${directories++}`), environment });
}

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof OperatingError && message.test(error.message) && !error.message.includes('\n');
}

test('resolves to the newest versions that fit, dependencies first, and fetches them', options, async () => {
  const apt = await openApt();
  await apt.update();
  const packages = await apt.resolve(['top']);
  assert.deepEqual(packages.map(({ name, version }) => `${name}=${version}`), ['base=1', 'middle=1.6', 'top=1:2.0-1']);
  const [, , top] = await apt.download(packages);
  assert.equal(readFileSync(top!, 'utf8'), 'the package top 1:2.0-1');
  assert.equal((await apt.show(['middle']))[0]!.get('version'), '1.6');
});

test("the host's hooks are not run", options, async () => {
  await (await openApt()).update();
  assert.ok(!existsSync(join(folder, 'hook-ran')));
});

test('what cannot be had is an error in one sentence', options, async () => {
  const apt = await openApt();
  await apt.update();
  await assert.rejects(apt.resolve(['broken']), refusal(/cannot resolve the dependencies/));
  await assert.rejects(apt.resolve(['nothing-of-the-kind']), refusal(/Unable to locate package/));
  await assert.rejects(apt.show(['nothing-of-the-kind']), refusal(/has no package "nothing-of-the-kind"/));
  await assert.rejects(apt.resolve(['-o=x']), refusal(/"-o=x" is no name of a Debian package/));
});

test('a package that is not what the index says is refused', options, async () => {
  const apt = await openApt();
  await apt.update();
  const file = join(archive, 'base_1.deb');
  const genuine = readFileSync(file);
  writeFileSync(file, Buffer.alloc(statSync(file).size, 'x'));
  try {
    await assert.rejects(apt.download([{ name: 'base', version: '1' }]), refusal(/cannot fetch the packages/));
  } finally {
    writeFileSync(file, genuine);
  }
});

test('lists of an earlier time serve when the archive cannot be reached, and none is an error', options, async () => {
  const apt = await openApt();
  await apt.update();
  const list = readFileSync(sourceList);
  writeFileSync(sourceList, `${list.toString()}deb [trusted=yes] file:${folder}/gone ./\n`);
  try {
    await apt.update();
    assert.equal((await apt.resolve(['base'])).length, 1);
    writeFileSync(sourceList, `deb [trusted=yes] file:${folder}/gone ./\n`);
    await assert.rejects((await openApt()).update(), refusal(/fetch the package lists.*--kernel FILE --initrd FILE/));
  } finally {
    writeFileSync(sourceList, list);
  }
});

test('without apt, the sentence says what to give instead', async () => {
  const withoutApt = { directory: join(folder, 'none'), environment: { PATH: join(folder, 'archive') } };
  await assert.rejects(Apt.open(withoutApt), refusal(/no apt for Debian.*--kernel FILE --initrd FILE/));
});

test('a suite is a plain name', async () => {
  await assert.rejects(Apt.open({ directory: folder, suite: '../x' }), refusal(/no name of a Debian suite/));
});

test('the lines of a simulation are read with and without architecture and installed version', () => {
  const output = 'Inst a (1:2 Debian:12.1/stable [amd64])\nInst b:amd64 [0.9] (1.0~rc1+b2 x [amd64]) []\n'
    + 'Conf a (1:2 x)\n';
  assert.deepEqual(parseSimulation(output), [{ name: 'a', version: '1:2' }, { name: 'b', version: '1.0~rc1+b2' }]);
});
