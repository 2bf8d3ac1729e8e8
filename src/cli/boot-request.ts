/** From the options of `partout boot` to a machine description: every value checked, each refusal one sentence. */

import { OperatingError, type ErrorCode } from '../kit/errors.ts';
import {
  DEFAULT_MODEL, MAXIMUM_MEMORY_BYTES, MAXIMUM_PROCESSORS, MINIMUM_MEMORY_BYTES, type MachineDescription,
  PROCESSOR_LEVELS, processorModel, type ProcessorModel, type RestoreRequest, type TraceKind,
} from '../machine/description.ts';
import type { Invocation, Option } from './command.ts';
import { deterministicOf } from './deterministic-option.ts';
import { gdbOf } from './gdb-option.ts';
import { unitsOf } from './disk-option.ts';
import { nicsOf } from './nic-option.ts';

export const BOOT_OPTIONS: readonly Option[] = [
  { name: 'kernel', value: 'FILE',
    summary: 'bzImage, ELF with a PVH note, or multiboot 1; without it the first disk is booted' },
  { name: 'initrd', value: 'FILE', summary: 'initial RAM file system' },
  { name: 'append', value: 'TEXT', summary: 'command line of the kernel; of one on a disk, what is put behind it',
    fallback: 'console=ttyS0' },
  { name: 'memory', value: 'SIZE', summary: 'memory of the guest', fallback: '512M' },
  { name: 'cpus', value: 'N', summary: 'virtual processors', fallback: '1' },
  { name: 'cpu', value: PROCESSOR_LEVELS.join('|'), summary: 'which x86-64 level the processors are of',
    fallback: DEFAULT_MODEL.level },
  { name: 'disk', value: 'FILE[,ro][,merge][,cache=none][,iops=N][,bandwidth=SIZE]',
    summary: "a disk: raw, vhd or vhdx; read-only, merged into its parent meanwhile, past the host's page cache, and " +
      'limited by the second; an .iso is put into a DVD drive',
    repeatable: true },
  { name: 'dvd', value: 'FILE|none', summary: 'a DVD drive with an ISO image in it, or empty', repeatable: true },
  {
    name: 'nic', value: 'nat|none|SWITCH[,mac=…]', repeatable: true,
    summary: 'a network adapter behind NAT (also forward=tcp:HOSTPORT:GUESTPORT), or on a switch (also name=NAME, ' +
      'vlan=NUMBER); without the option one',
  },
  { name: 'engine', value: 'auto|wasm|kvm', summary: 'what runs the processors: here wasm', fallback: 'auto' },
  { name: 'no-reboot', summary: 'a reset ends the run instead of starting the guest again' },
  { name: 'timeout', value: 'SECONDS', summary: 'stop the guest then, with status 124' },
  { name: 'debug-exit', summary: 'a byte written to port 0xf4 ends the run with status (byte << 1) | 1' },
  { name: 'save', value: 'FILE', summary: "SIGUSR2 writes the guest's state there and ends the run with status 0" },
  { name: 'restore', value: 'FILE', summary: 'go on from such a state, in place of a kernel' },
  { name: 'stats', value: 'FILE', summary: 'write figures about the run there at its end, as JSON' },
  { name: 'deterministic', value: 'SEED', summary: 'a run that the same seed and input give again; one processor' },
  { name: 'record', value: 'FILE', summary: 'with --deterministic: write down what is typed, and when' },
  { name: 'replay', value: 'FILE', summary: 'with --deterministic: type what was written down, and nothing else' },
  { name: 'lockstep', summary: 'with --deterministic: interpret translated code, too; end at a difference' },
  { name: 'gdb', value: 'PORT[,wait]',
    summary: 'a debugger may connect to this port of localhost; wait: start when it says so' },
  { name: 'trace', value: 'exits|instructions', summary: 'keep the last ones, and print them when the guest crashes' },
];

interface RunOptions {
  readonly timeoutMs?: number;
  readonly statsFile?: string;
  /** Where SIGUSR2 writes the guest's state. */
  readonly saveFile?: string;
}

/** A machine to make, or one to go on with. */
export type BootRequest = RunOptions & (
  | { readonly description: MachineDescription; readonly restore?: undefined }
  | { readonly restore: RestoreRequest; readonly description?: undefined }
);

/** What a state brings along. */
const OF_THE_STATE = ['kernel', 'initrd', 'append', 'memory', 'cpus', 'cpu', 'nic', 'deterministic', 'record', 'replay',
  'lockstep'];

/** Timers of Node count milliseconds in 31 bits. */
const MAXIMUM_TIMEOUT_SECONDS = 2_000_000;
const MIB = 2 ** 20;

export function bootRequest(invocation: Invocation): BootRequest {
  refuseWhatIsNotThere(invocation);
  const options = runOptions(invocation);
  const file = invocation.value('restore');
  if (file !== undefined) return { ...options, restore: restoreRequest(file, invocation) };
  const kernel = invocation.value('kernel');
  const initrd = invocation.value('initrd');
  if (kernel === undefined && !invocation.has('disk')) {
    throw refused('usage', 'partout boot needs a kernel or a disk to boot from: --kernel FILE, or --disk FILE');
  }
  if (kernel === undefined && initrd !== undefined) {
    throw refused('usage', '--initrd needs --kernel: what is booted from a disk has its own');
  }
  const trace = traceOf(invocation);
  const deterministic = deterministicOf(invocation);
  const gdb = gdbOf(invocation.value('gdb'));
  return {
    ...options,
    description: {
      ...(kernel === undefined ? {} : { kernel }),
      ...(initrd === undefined ? {} : { initrd }),
      commandLine: invocation.value('append') ?? '',
      memoryBytes: memoryOf(invocation.value('memory') ?? ''),
      processors: processorsOf(invocation.value('cpus') ?? ''),
      model: modelOf(invocation.value('cpu') ?? ''),
      disks: unitsOf(invocation),
      nics: deterministic === undefined ? nicsOf(invocation.values('nic')) : [],
      ...(deterministic === undefined ? {} : { deterministic }),
      rebootInPlace: !invocation.has('no-reboot'),
      debugExit: invocation.has('debug-exit'),
      ...(trace === undefined ? {} : { trace }),
      ...(gdb === undefined ? {} : { gdb }),
    },
  };
}

function runOptions(invocation: Invocation): RunOptions {
  const timeoutMs = timeoutOf(invocation);
  const statsFile = invocation.value('stats');
  const saveFile = invocation.value('save');
  return {
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(statsFile === undefined ? {} : { statsFile }),
    ...(saveFile === undefined ? {} : { saveFile }),
  };
}

function restoreRequest(file: string, invocation: Invocation): RestoreRequest {
  const given = OF_THE_STATE.find((name) => invocation.isGiven(name));
  if (given !== undefined) {
    throw refused('usage', `--restore brings along what the guest was made of: leave --${given} out`);
  }
  const disks = unitsOf(invocation);
  const trace = traceOf(invocation);
  const gdb = gdbOf(invocation.value('gdb'));
  return {
    file,
    ...(gdb === undefined ? {} : { gdb }),
    ...(disks.length === 0 ? {} : { disks }),
    ...(invocation.has('no-reboot') ? { rebootInPlace: false } : {}),
    ...(invocation.has('debug-exit') ? { debugExit: true } : {}),
    ...(trace === undefined ? {} : { trace }),
  };
}

function refuseWhatIsNotThere(invocation: Invocation): void {
  const engine = invocation.value('engine') ?? '';
  if (engine === 'kvm') throw refused('unsupported', '--engine kvm is not there yet: use wasm, which runs everywhere');
  if (engine !== 'auto' && engine !== 'wasm') throw refused('usage', `--engine is auto, wasm or kvm, not ${engine}`);
}

function memoryOf(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)([KMG])(?:i?B)?$/i.exec(text) ?? [];
  if (digits === undefined || unit === undefined) {
    throw refused('usage', `--memory is a size such as 512M or 1G, not ${text}`);
  }
  const bytes = Number(digits) * 1024 ** (1 + 'KMG'.indexOf(unit.toUpperCase()));
  const bounds = `between ${MINIMUM_MEMORY_BYTES / MIB}M and ${MAXIMUM_MEMORY_BYTES / MIB}M`;
  if (bytes < MINIMUM_MEMORY_BYTES) throw refused('usage', `--memory ${text} is too little: give a size ${bounds}`);
  if (bytes > MAXIMUM_MEMORY_BYTES) {
    throw refused('usage', `--memory ${text} is more than the wasm engine can give a guest: give a size ${bounds}`);
  }
  if (bytes % MIB !== 0) throw refused('usage', `--memory is a whole number of mebibytes, which ${text} is not`);
  return bytes;
}

function modelOf(text: string): ProcessorModel {
  const model = processorModel(text);
  if (model === undefined) throw refused('usage', `--cpu is one of ${PROCESSOR_LEVELS.join(', ')}, not ${text}`);
  return model;
}

function processorsOf(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw refused('usage', `--cpus is a number of processors such as 1, not ${text}`);
  const count = Number(text);
  if (count === 0) throw refused('usage', '--cpus 0 leaves nothing to run the guest on: give 1 or more');
  if (count > MAXIMUM_PROCESSORS) {
    throw refused('usage', `--cpus ${text} is too many: a guest has at most ${MAXIMUM_PROCESSORS} processors`);
  }
  return count;
}

function timeoutOf(invocation: Invocation): number | undefined {
  const text = invocation.value('timeout');
  if (text === undefined) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (seconds <= 0 || seconds >= MAXIMUM_TIMEOUT_SECONDS) {
    throw refused('usage', `--timeout is a number of seconds between 0 and ${MAXIMUM_TIMEOUT_SECONDS}, not ${text}`);
  }
  return Math.ceil(seconds * 1000);
}

function traceOf(invocation: Invocation): TraceKind | undefined {
  const text = invocation.value('trace');
  if (text === undefined || text === 'exits' || text === 'instructions') return text;
  throw refused('usage', `--trace is exits or instructions, not ${text}`);
}

function refused(code: ErrorCode, message: string): OperatingError {
  return new OperatingError(code, message);
}
