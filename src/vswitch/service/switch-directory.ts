/**
 * Where a user's switches lie: their configuration, one file each, and at run time the socket of the process that runs
 * them and what it has learned. `PARTOUT_CONFIG` and `PARTOUT_RUNTIME` name other places; else those of the XDG Base
 * Directory Specification 0.8.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { OperatingError, systemError } from '../../kit/errors.ts';
import { makeOwnDirectory } from '../../kit/own-directory.ts';
import { checkSwitchName, readConfiguration, type SwitchConfiguration } from './configuration.ts';

/** [unix(7)] `sun_path`, less the NUL. */
const MAX_SOCKET_PATH = 107;
const SUFFIX = '.json';

export class SwitchDirectory {
  readonly configuration: string;
  readonly runtime: string;

  constructor(places: { readonly configuration: string; readonly runtime: string }) {
    this.configuration = places.configuration;
    this.runtime = places.runtime;
  }

  /** The user's own, made if it was not there. */
  static open(environment: NodeJS.ProcessEnv = process.env): SwitchDirectory {
    const user = process.getuid?.() ?? 'user';
    const configuration = chosen(environment, 'PARTOUT_CONFIG', 'XDG_CONFIG_HOME', join('.config', 'partout'));
    const runtime = chosen(environment, 'PARTOUT_RUNTIME', 'XDG_RUNTIME_DIR', undefined);
    return new SwitchDirectory({
      configuration: makeOwnDirectory(configuration ?? join(tmpdir(), `partout-${user}-config`)),
      runtime: makeOwnDirectory(runtime ?? join(tmpdir(), `partout-${user}-run`)),
    });
  }

  get socketPath(): string {
    const path = join(this.runtime, 'switch.sock');
    if (Buffer.byteLength(path) <= MAX_SOCKET_PATH) return path;
    throw new OperatingError(
      'host', `the path ${path} is too long for a socket: name a shorter folder in PARTOUT_RUNTIME`);
  }

  get logPath(): string {
    return join(this.runtime, 'switch.log');
  }

  /** Names in order. A file that is no switch's is not looked at. */
  names(): string[] {
    try {
      return readdirSync(this.#folder).filter((file) => file.endsWith(SUFFIX))
        .map((file) => file.slice(0, -SUFFIX.length)).sort();
    } catch {
      return [];
    }
  }

  has(name: string): boolean {
    return this.names().includes(name);
  }

  /** @throws OperatingError when there is none, or its file is damaged. */
  read(name: string): SwitchConfiguration {
    if (!this.has(name)) {
      throw new OperatingError('not-found',
        `there is no switch ${JSON.stringify(name)}: 'partout switch new ${name}' makes one`);
    }
    const path = this.#path(name);
    try {
      return readConfiguration({ ...JSON.parse(readFileSync(path, 'utf8')), name });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new OperatingError('bad-input', `${path} is no configuration of a switch: ${why}`, { cause: error });
    }
  }

  /** Whoever reads it meanwhile gets the old one or the new one. */
  write(configuration: SwitchConfiguration): void {
    const checked = readConfiguration(configuration);
    const path = this.#path(checked.name);
    const temporary = `${path}.${process.pid}.new`;
    try {
      mkdirSync(this.#folder, { recursive: true });
      writeFileSync(temporary, `${JSON.stringify(checked, undefined, 2)}\n`);
      renameSync(temporary, path);
    } catch (error) {
      throw systemError(`write ${path}`, error);
    }
  }

  remove(name: string): void {
    try {
      rmSync(this.#path(name), { force: true });
      rmSync(this.tablesPath(name), { force: true });
    } catch (error) {
      throw systemError(`remove the switch ${name}`, error);
    }
  }

  /** What a switch has learned, for the process that comes after this one. */
  tablesPath(name: string): string {
    return join(this.runtime, `${checkSwitchName(name)}.tables`);
  }

  get #folder(): string {
    return join(this.configuration, 'switches');
  }

  #path(name: string): string {
    return join(this.#folder, `${checkSwitchName(name)}${SUFFIX}`);
  }
}

function chosen(
  environment: NodeJS.ProcessEnv, own: string, xdg: string, underHome: string | undefined,
): string | undefined {
  const given = environment[own];
  if (given !== undefined && given !== '') return resolve(given);
  const common = environment[xdg];
  if (common !== undefined && isAbsolute(common)) return usable(join(common, 'partout'));
  const home = environment['HOME'] ?? homedir();
  return underHome !== undefined && isAbsolute(home) && home !== '/' ? usable(join(home, underHome)) : undefined;
}

/** A place that we may write to, or none. */
function usable(directory: string): string | undefined {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o700);
    return directory;
  } catch {
    return undefined;
  }
}
