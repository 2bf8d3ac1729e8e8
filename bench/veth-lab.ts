/**
 * A wire through a switch of the host: a network namespace that sends (trafgen), one that counts, and between them two
 * interfaces that a switch joins. The peers are Open vSwitch's userspace datapath, which has packet sockets here, and
 * the bridge of the host's kernel; ours is a switch with two packet sockets in a process of its own. Needs root.
 */

import { type ChildProcess, execFileSync, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadNativeCalls } from '../src/kit/native-calls.ts';

/** Addresses that send, each to one that counts. */
const FLOWS = 32;
const CHECKSUM_BYTES = 4;
const ETHERNET_BYTES = 14;
const IPV4_AND_UDP_BYTES = 28;
const SETTLE_MS = 300;

export interface Forwarder {
  readonly name: string;
  /** Joins two interfaces of the host. */
  start(interfaces: readonly [string, string], folder: string): Promise<RunningForwarder>;
}

interface RunningForwarder {
  /** The process that forwards; undefined when the kernel does. */
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

export interface Rate {
  readonly framesPerSecond: number;
  /** Of processor time of the process that forwards; undefined when the kernel does. */
  readonly framesPerProcessorSecond: number | undefined;
}

/** What this host lacks for it, or false. */
export function lackingForVeths(): string | false {
  if (process.getuid?.() !== 0) return 'interfaces of the host need root';
  if (loadNativeCalls() === undefined) return 'interfaces of the host need the package koffi';
  return hasProgram('trafgen') ? false : 'trafgen, of the package netsniff-ng, is not installed';
}

export function forwarders(): Forwarder[] {
  return [
    { name: 'Partout', start: startOurs },
    ...(hasProgram('ovs-vswitchd') ? [{ name: 'Open vSwitch', start: startOpenVswitch }] : []),
    { name: 'Linux bridge', start: startBridge },
  ];
}

/** Frames of that many bytes, checksum included, as fast as they can be sent: how many come through. */
export async function rateThrough(forwarder: Forwarder, frameBytes: number, seconds: number): Promise<Rate> {
  const folder = mkdtempSync(join(tmpdir(), 'partout-bench-'));
  const prefix = `b${process.pid}`;
  const [sending, counting] = [`${prefix}s`, `${prefix}c`];
  const interfaces = [`${prefix}a`, `${prefix}b`] as const;
  try {
    for (const [i, space] of [sending, counting].entries()) makeWire(interfaces[i] as string, space);
    const running = await forwarder.start(interfaces, folder);
    try {
      await wait(SETTLE_MS);
      return await measure({ sending, counting, frameBytes, seconds, folder, pid: running.pid });
    } finally {
      await running.stop();
    }
  } finally {
    for (const name of [sending, counting]) spawnSync('ip', ['netns', 'delete', name]);
    for (const name of interfaces) spawnSync('ip', ['link', 'delete', name]);
    rmSync(folder, { recursive: true, force: true });
  }
}

function hasProgram(name: string): boolean {
  return spawnSync(name, ['--version']).error === undefined;
}

function run(program: string, ...words: string[]): string {
  return execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
}

/** `name` of the host is the one end, `wire` of a new namespace the other; neither speaks by itself. */
function makeWire(name: string, space: string): void {
  run('ip', 'netns', 'add', space);
  run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'wire', 'netns', space);
  for (const before of [[], ['ip', 'netns', 'exec', space]]) {
    const end = before.length === 0 ? name : 'wire';
    const [program = '', ...words] = [...before, 'sysctl', '-q', `net.ipv6.conf.${end}.disable_ipv6=1`];
    run(program, ...words);
  }
  run('ip', 'link', 'set', name, 'up');
  run('ip', '-n', space, 'link', 'set', 'wire', 'up', 'promisc', 'on');
}

interface Measurement {
  readonly sending: string;
  readonly counting: string;
  readonly frameBytes: number;
  readonly seconds: number;
  readonly folder: string;
  readonly pid: number | undefined;
}

async function measure({ sending, counting, frameBytes, seconds, folder, pid }: Measurement): Promise<Rate> {
  const [there, back] = [join(folder, 'there'), join(folder, 'back')];
  writeFileSync(there, flows('0a', '0b', frameBytes));
  writeFileSync(back, flows('0b', '0a', 64));
  // Where who is has to be learned first.
  const trafgen = (space: string, conf: string): string[] =>
    ['netns', 'exec', space, 'trafgen', '--dev', 'wire', '--cpus', '1', '--conf', conf];
  run('ip', ...trafgen(counting, back), '--num', String(FLOWS));
  const generator = spawn('ip', trafgen(sending, there), { stdio: 'ignore' });
  const ended = once(generator, 'exit');
  try {
    await wait(SETTLE_MS);
    const [frames, processor, start] = [received(counting), processorSeconds(pid), performance.now()];
    await wait(seconds * 1000);
    const passed = received(counting) - frames;
    const used = processorSeconds(pid) - processor;
    return {
      framesPerSecond: passed * 1000 / (performance.now() - start),
      framesPerProcessorSecond: pid === undefined ? undefined : passed / used,
    };
  } finally {
    generator.kill('SIGKILL');
    await ended;
  }
}

/** For trafgen(8): UDP of as many senders as there are flows. */
function flows(from: string, to: string, frameBytes: number): string {
  const payload = frameBytes - CHECKSUM_BYTES - ETHERNET_BYTES - IPV4_AND_UDP_BYTES;
  return Array.from({ length: FLOWS }, (_, i) => {
    const last = i.toString(16).padStart(2, '0');
    return `{ eth(da=02:00:00:00:${to}:${last}, sa=02:00:00:00:${from}:${last}), ipv4(saddr=10.1.0.${i + 1}, `
      + `daddr=10.2.0.${i + 1}, ttl=64), udp(sport=1000, dport=2000), fill(0, ${payload}) }`;
  }).join('\n');
}

function received(space: string): number {
  const [, row = ''] = /\n\s*wire:(.*)/.exec(run('ip', 'netns', 'exec', space, 'cat', '/proc/net/dev')) ?? [];
  return Number(row.trim().split(/\s+/)[1]);
}

/** What a process has used of processors, all its threads together [proc(5), stat]. */
export function processorSeconds(pid: number | undefined): number {
  if (pid === undefined) return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function startOurs(interfaces: readonly [string, string]): Promise<RunningForwarder> {
  const child = fork(fileURLToPath(new URL('./host-switch.js', import.meta.url)), [...interfaces]);
  await once(child, 'message');
  return { pid: child.pid, stop: () => kill(child) };
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

async function startBridge(interfaces: readonly [string, string]): Promise<RunningForwarder> {
  const name = `b${process.pid}br`;
  run('ip', 'link', 'add', name, 'type', 'bridge');
  for (const each of interfaces) run('ip', 'link', 'set', each, 'master', name);
  run('ip', 'link', 'set', name, 'up');
  return { pid: undefined, stop: async () => { run('ip', 'link', 'delete', name); } };
}

/** With a database and a control socket of its own, in `folder`. */
async function startOpenVswitch(interfaces: readonly [string, string], folder: string): Promise<RunningForwarder> {
  const environment = { ...process.env, OVS_RUNDIR: folder, OVS_DBDIR: folder, OVS_LOGDIR: folder };
  const [database, socket] = [join(folder, 'conf.db'), `unix:${join(folder, 'db.sock')}`];
  run('ovsdb-tool', 'create', database, '/usr/share/openvswitch/vswitch.ovsschema');
  const options = { env: environment, stdio: 'ignore' } as const;
  const server = spawn('ovsdb-server', [database, `--remote=p${socket}`], options);
  const control = (...words: string[]): void => {
    execFileSync('ovs-vsctl', [`--db=${socket}`, '--timeout=20', ...words], { ...options, timeout: 30_000 });
  };
  while (spawnSync('ovs-vsctl', [`--db=${socket}`, '--timeout=1', '--no-wait', 'init'], options).status !== 0) {
    await wait(50);
  }
  const daemon = spawn('ovs-vswitchd', [socket], options);
  const bridge = `b${process.pid}o`;
  control('add-br', bridge, '--', 'set', 'bridge', bridge, 'datapath_type=netdev');
  for (const each of interfaces) control('add-port', bridge, each);
  return {
    pid: daemon.pid,
    stop: async () => {
      control('del-br', bridge);
      await kill(daemon);
      await kill(server);
    },
  };
}
