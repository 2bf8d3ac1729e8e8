/**
 * How the host's apt is told to work for us alone (apt.conf(5)): where its lists, state and downloads are, that the
 * host's hooks are not run, and, for a suite that is not the host's, which sources it has.
 */

import { readFile, readdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../kit/command.ts';
import { OperatingError } from '../kit/errors.ts';
import { parseAptSources, sourcesForSuite } from './apt-sources.ts';

export const GIVE_FILES_INSTEAD = 'give a kernel and an initramfs of your own instead (--kernel FILE --initrd FILE)';

const OS_RELEASE = '/etc/os-release';

export function aptEnvironment(environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return { ...environment, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
}

/** The host's release by its codename, if it is a Debian. */
export async function readHostSuite(): Promise<string | undefined> {
  const text = await readFile(OS_RELEASE, 'utf8').catch(() => '');
  const value = (name: string): string | undefined => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1];
  return value('ID') === 'debian' ? value('VERSION_CODENAME') : undefined;
}

/** apt.conf(5) lines; this file is read after the host's own configuration. */
export function privateConfiguration(directory: string): string[] {
  const settings: Readonly<Record<string, string>> = {
    'Dir::State': join(directory, 'state'),
    'Dir::State::lists': join(directory, 'lists'),
    'Dir::State::status': join(directory, 'status'),
    'Dir::Cache': join(directory, 'cache'),
    'Dir::Cache::archives': 'archives/',
    'Dir::Cache::pkgcache': 'pkgcache.bin',
    'Dir::Cache::srcpkgcache': 'srcpkgcache.bin',
    'Dir::Log': directory,
    'APT::Architecture': 'amd64',
    'APT::Sandbox::User': userInfo().username,
    'APT::Install-Recommends': 'false',
    'APT::Get::Assume-Yes': 'true',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
  };
  const hooks = ['APT::Update::Pre-Invoke', 'APT::Update::Post-Invoke', 'APT::Update::Post-Invoke-Success',
    'APT::Architectures', 'DPkg::Pre-Invoke', 'DPkg::Post-Invoke', 'DPkg::Pre-Install-Pkgs', 'Acquire::Languages'];
  return [
    ...hooks.map((name) => `#clear ${name};`),
    ...Object.entries(settings).map(([name, value]) => `${name} ${JSON.stringify(value)};`),
    '',
  ];
}

/** What makes apt use the host's Debian archives for another suite; writes their source list into the directory. */
export async function otherSuiteConfiguration(
  environment: NodeJS.ProcessEnv, directory: string, hostSuite: string | undefined, suite: string,
): Promise<string[]> {
  const sources = hostSuite === undefined ? [] : await readHostSources(environment);
  const text = hostSuite === undefined ? undefined : sourcesForSuite(sources, hostSuite, suite);
  if (text === undefined) {
    throw new OperatingError('host', `this host's apt has no source of Debian's main archive that the suite ${
      suite} could be had from: ${GIVE_FILES_INSTEAD}`);
  }
  const file = join(directory, 'suite.sources');
  await writeFile(file, text);
  return [
    `Dir::Etc::sourcelist ${JSON.stringify(file)};`,
    'Dir::Etc::sourceparts "/dev/null";', 'Dir::Etc::preferences "/dev/null";',
    'Dir::Etc::preferencesparts "/dev/null";', '#clear APT::Default-Release;', '',
  ];
}

async function readHostSources(environment: NodeJS.ProcessEnv): Promise<ReturnType<typeof parseAptSources>> {
  const { stdout } = await runCommand('apt-config', [
    'shell', 'LIST', 'Dir::Etc::sourcelist/f', 'PARTS', 'Dir::Etc::sourceparts/d',
  ], { environment });
  const list = /^LIST='(.*)'$/m.exec(stdout)?.[1];
  const parts = /^PARTS='(.*)'$/m.exec(stdout)?.[1];
  const names = parts === undefined ? [] : await readdir(parts).catch(() => []);
  const files = names.filter((name) => /^[A-Za-z0-9_.-]+\.(list|sources)$/.test(name)).sort()
    .map((name) => join(parts!, name));
  const all = list === undefined ? files : [list, ...files];
  const texts = await Promise.all(all.map(async (file) => await readFile(file, 'utf8').catch(() => '')));
  return texts.flatMap((text, index) => parseAptSources(all[index]!, text));
}
