/**
 * Packages of a Debian archive, resolved, downloaded and verified by the host's own apt as an ordinary user: lists,
 * state and downloads live in a directory of ours, the host's database of installed packages is not read, and its
 * hooks are not run, so nothing of the host changes. Sources, keyrings and credentials are the host's.
 */

import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CommandResult, runCommand } from '../kit/command.ts';
import { OperatingError } from '../kit/errors.ts';
import {
  GIVE_FILES_INSTEAD, aptEnvironment, otherSuiteConfiguration, privateConfiguration, readHostSuite,
} from './apt-configuration.ts';
import { type Stanza, parseStanzas } from './deb822.ts';

const SUITE_NAME = /^[a-z][a-z0-9.-]{0,40}$/;
const PACKAGE_NAME = /^[a-z0-9][a-z0-9.+-]+$/;

/** What is being done, and how much of it is done (0 to 1) where that is known. */
export type Progress = (step: string, fraction?: number) => void;

export interface AptOptions {
  /** Where our lists, state and downloads are; made when missing. One process at a time may use it. */
  readonly directory: string;
  /** A Debian suite by its codename; the host's own when it is not given. */
  readonly suite?: string | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What apt runs with; our own environment when it is not given. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
}

export interface PackageVersion {
  readonly name: string;
  readonly version: string;
}

export class Apt {
  readonly suite: string;
  readonly #directory: string;
  readonly #configuration: string;
  readonly #progress: Progress;
  readonly #signal: AbortSignal | undefined;
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(suite: string, directory: string, configuration: string, options: AptOptions) {
    this.suite = suite;
    this.#directory = directory;
    this.#configuration = configuration;
    this.#progress = options.progress ?? ((): void => {});
    this.#signal = options.signal;
    this.#environment = aptEnvironment(options.environment);
  }

  /** Prepares the private directory; asks nothing of the network yet. */
  static async open(options: AptOptions): Promise<Apt> {
    if (options.suite !== undefined && !SUITE_NAME.test(options.suite)) {
      throw new OperatingError('usage', `"${options.suite}" is no name of a Debian suite: give one such as trixie`);
    }
    const environment = aptEnvironment(options.environment);
    const hostSuite = await readHostSuite();
    const suite = options.suite ?? hostSuite;
    if (!isAptThere(environment) || suite === undefined) {
      throw new OperatingError('host', `images are built from Debian packages, and this host has no apt for Debian: ${
        GIVE_FILES_INSTEAD}`);
    }
    const directory = join(options.directory, suite);
    for (const each of ['lists/partial', 'state', 'cache/archives/partial', 'packages']) {
      await mkdir(join(directory, each), { recursive: true });
    }
    await writeFile(join(directory, 'status'), '');
    const lines = privateConfiguration(directory);
    if (suite !== hostSuite) lines.push(...await otherSuiteConfiguration(environment, directory, hostSuite, suite));
    const configuration = join(directory, 'apt.conf');
    await writeFile(configuration, lines.join('\n'));
    return new Apt(suite, directory, configuration, options);
  }

  /** Fetches the package lists. When that fails, lists of an earlier time will do, and the progress says so. */
  async update(): Promise<void> {
    this.#progress(`fetching the package lists of ${this.suite}`);
    const result = await this.#run('apt-get', ['-q', '-o', 'APT::Update::Error-Mode=any', 'update']);
    if (result.status === 0) return;
    const lists = await readdir(join(this.#directory, 'lists'));
    if (!lists.some((name) => name.endsWith('_Packages') || name.includes('_Packages.'))) {
      throw this.#failure(`fetch the package lists of ${this.suite}`, result);
    }
    this.#progress(`the package lists of ${this.suite} could not be fetched (${complaint(result)}); using older ones`);
  }

  /** The index entries of the versions that would be installed, in the order asked for. */
  async show(names: readonly string[]): Promise<Stanza[]> {
    checkNames(names);
    const result = await this.#run('apt-cache', ['show', '--no-all-versions', ...names]);
    const stanzas = parseStanzas(result.stdout);
    return names.map((name) => {
      const stanza = stanzas.find((each) => each.get('package') === name);
      if (stanza === undefined) {
        throw new OperatingError('not-found', `the Debian suite ${this.suite} has no package "${name}"`);
      }
      return stanza;
    });
  }

  /** Everything that the named packages need, themselves included, in an order in which it can be unpacked. */
  async resolve(names: readonly string[]): Promise<PackageVersion[]> {
    checkNames(names.filter((name) => name !== '?essential'));
    this.#progress('resolving dependencies');
    const result = await this.#run('apt-get', ['-q', '-s', '--no-install-recommends', 'install', ...names]);
    if (result.status !== 0) throw this.#failure('resolve the dependencies of the packages', result);
    return parseSimulation(result.stdout);
  }

  /**
   * Downloads and verifies; gives the files, in the same order. What is there already is only verified, and other
   * versions of the same packages are removed.
   */
  async download(packages: readonly PackageVersion[]): Promise<string[]> {
    const folder = join(this.#directory, 'packages');
    const what = packages.length === 1 ? '1 package' : `${packages.length} packages`;
    this.#progress(`fetching ${what}`, 0);
    const wanted = packages.map(({ name, version }) => `${name}=${version}`);
    const parameters = ['-q', '-o', 'APT::Status-Fd=1', 'download', ...wanted];
    const result = await this.#run('apt-get', parameters, folder, (line) => {
      const percent = /^dlstatus:\d+:([\d.]+):/.exec(line)?.[1];
      if (percent !== undefined) this.#progress(`fetching ${what}`, Number(percent) / 100);
    });
    if (result.status !== 0) throw this.#failure('fetch the packages', result);
    const files = await readdir(folder);
    const paths = packages.map(({ name, version }) => {
      const start = `${name}_${version.replaceAll(':', '%3a')}_`;
      const file = files.find((each) => each.startsWith(start) && each.endsWith('.deb'));
      if (file === undefined) {
        throw new OperatingError('host', `apt said that it fetched ${name} ${version}, but it is not in ${folder}`);
      }
      return join(folder, file);
    });
    const names = new Set(packages.map(({ name }) => name));
    for (const file of files) {
      const isOlder = names.has(file.slice(0, file.indexOf('_'))) && !paths.includes(join(folder, file));
      if (isOlder) await rm(join(folder, file), { force: true });
    }
    return paths;
  }

  async #run(
    program: string, parameters: readonly string[], directory?: string, onLine?: (line: string) => void,
  ): Promise<CommandResult> {
    return await runCommand(program, ['-c', this.#configuration, ...parameters], {
      directory: directory ?? this.#directory,
      environment: this.#environment,
      signal: this.#signal,
      onLine,
    });
  }

  #failure(doing: string, result: CommandResult): OperatingError {
    if (/NO_PUBKEY|no public key|is not signed/i.test(result.stderr)) {
      return new OperatingError('host', `this host has no key to verify the Debian suite ${this.suite} with: install a `
        + `newer debian-archive-keyring, or ${GIVE_FILES_INSTEAD}`);
    }
    if (result.stderr.includes('does not have a Release file')) {
      return new OperatingError('not-found', `Debian's archive has no suite "${this.suite}": give one such as trixie`);
    }
    return new OperatingError('host', `apt cannot ${doing} (${complaint(result)}): put that right, or ${
      GIVE_FILES_INSTEAD}`);
  }
}

/** apt's first error, without the addresses that stand in it. */
function complaint(result: CommandResult): string {
  const errors = result.stderr.split('\n').filter((line) => line.startsWith('E: '));
  const first = errors[0] ?? result.stderr.split('\n').find((line) => line !== '') ?? `status ${result.status}`;
  return first.replace(/^E: /, '').replace(/\b[a-z+]+:\/\/\S+\s*/g, '').replace(/\s+/g, ' ').trim().slice(0, 300);
}

/** The `Inst NAME (VERSION …` lines of `apt-get --simulate`; a name may carry its architecture. */
export function parseSimulation(output: string): PackageVersion[] {
  return [...output.matchAll(/^Inst (\S+?)(?::\S+)? (?:\[\S+\] )?\((\S+) /gm)]
    .map(([, name, version]) => ({ name: name!, version: version! }));
}

function checkNames(names: readonly string[]): void {
  const wrong = names.find((name) => !PACKAGE_NAME.test(name));
  if (wrong !== undefined) throw new OperatingError('usage', `"${wrong}" is no name of a Debian package`);
}

function isAptThere(environment: NodeJS.ProcessEnv): boolean {
  const folders = (environment['PATH'] ?? '').split(':');
  return folders.some((folder) => folder !== '' && existsSync(join(folder, 'apt-get')));
}
