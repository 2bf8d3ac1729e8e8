/**
 * How the process of a machine is started, so that it has no more rights than it needs; docs/security.md says what each
 * measure buys. All of it is taken by the process for good before the guest's first instruction.
 */

import { accessSync, constants } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';

/** Files and sockets: disks, connections of the NAT network, channels. */
const MOST_FILES = 4096;
/** Objects of the main thread; guest memory and the engine's tables are not among them. */
const HEAP_MIB = 1024;
/** V8 compiles hot code of the guest on threads of its own: they leave it a core, and are no more than usual. */
const MOST_COMPILERS = 4;
/** What says where things are and how dates are written. Whatever else is in the environment may be a secret. */
const ENVIRONMENT = [
  'PATH', 'HOME', 'TMPDIR', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_RUNTIME_DIR', 'PARTOUT_CONFIG', 'PARTOUT_RUNTIME',
  'TZ', 'LANG', 'LC_ALL', 'CI', 'NODE_V8_COVERAGE',
];
/** As bin/partout sets them: the C library gives back to the system what V8's compilers have freed [mallopt(3)]. */
const ALLOCATOR = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '32768', MALLOC_TRIM_THRESHOLD_: '131072' };
/** The version in which Node's permission model got its name. */
const PERMISSION_MAJOR = 23;

/** What `child_process.fork` is told. */
export interface IsolatedStart {
  readonly execPath: string;
  readonly execArgv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export function isolatedStart(
  environment: Readonly<Record<string, string | undefined>> = process.env, nodeOptions: readonly string[] = [],
): IsolatedStart {
  // A shell sets the limits, and is replaced by what it starts. Without core dumps guest memory lands in no file.
  const limits = `ulimit -c 0; ulimit -n ${MOST_FILES} 2>/dev/null; exec "$0" "$@"`;
  const setpriv = programOf('setpriv', environment['PATH'] ?? '');
  const withoutNew = setpriv === undefined ? [] : [setpriv, '--no-new-privs', '--inh-caps=-all', '--'];
  return {
    execPath: '/bin/sh',
    execArgv: ['-c', limits, ...withoutNew, process.execPath, ...permissions(), `--max-old-space-size=${HEAP_MIB}`,
      `--v8-pool-size=${compilerThreads()}`, ...nodeOptions],
    env: {
      ...ALLOCATOR,
      ...Object.fromEntries(ENVIRONMENT.flatMap((name) => {
        const value = environment[name];
        return value === undefined ? [] : [[name, value]];
      })),
    },
  };
}

/**
 * Node's own model: no other programs, no native code, no inspector. Files are not restricted by it: which ones a
 * machine needs (parents of disks, where it is saved to) is known only later.
 */
function permissions(): string[] {
  const major = Number(process.versions.node.split('.')[0]);
  const model = major < PERMISSION_MAJOR ? '--experimental-permission' : '--permission';
  return [model, '--allow-fs-read=*', '--allow-fs-write=*', '--allow-worker', '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning'];
}

function compilerThreads(): number {
  return Math.min(MOST_COMPILERS, Math.max(1, availableParallelism() - 1));
}

function programOf(name: string, path: string): string | undefined {
  return path.split(delimiter).map((folder) => join(folder, name)).find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
