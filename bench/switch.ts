/**
 * How many frames a second does the switch forward? One thread sends frames of 64 and of 1500 bytes between two ports:
 * in memory, with learning, VLAN, MAC check and counters; and from process to process through a switch process over its
 * sockets: medians of interleaved rounds, in million frames for each second of processor time that the switch takes,
 * so that what else the machine does does not count. As root it is also measured between interfaces of the host, beside
 * Open vSwitch's userspace datapath and the kernel's bridge: frames that come through in a second when more are sent
 * than any of them takes, and frames for each second of the process's processor time. `npm run bench switch [ROUNDS]`.
 */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { HostClock } from '../src/kit/clock.ts';
import { SwitchLink } from '../src/vswitch/link/switch-link.ts';
import { startSwitches } from '../src/vswitch/service/start.ts';
import { Switch } from '../src/vswitch/switch/switch.ts';
import { frame } from '../src/vswitch/testing/lab.ts';
import { OwnSwitches, until } from '../src/vswitch/testing/own-switches.ts';
import { readConfiguration } from '../src/vswitch/service/configuration.ts';
import { SwitchDirectory } from '../src/vswitch/service/switch-directory.ts';
import { median } from './guest-run.ts';
import { forwarders, lackingForVeths, processorSeconds, type Rate, rateThrough } from './veth-lab.ts';

const SECONDS = 1.5;
const RUN_FRAMES = 256;
const SOURCES = 32;
const A = 0x0015_5d00_1000;
const B = 0x0015_5d00_2000;
const SENDER = 'send';

function framesOf(bytes: number): Uint8Array[] {
  return Array.from({ length: SOURCES }, (_, i) => {
    const whole = new Uint8Array(bytes);
    whole.set(frame(B + i, A).subarray(0, 60));
    return whole;
  });
}

/** Two access ports of a VLAN among sixteen ports, of which one is a trunk. */
function inMemory(bytes: number): number {
  const hub = new Switch({ clock: new HostClock() });
  const vlan = { kind: 'access', id: 10 } as const;
  const from = hub.attach({ name: 'a', mac: A, vlan });
  const to = hub.attach({ name: 'b', vlan });
  hub.attach({ name: 'trunk', vlan: { kind: 'trunk', native: 1, allowed: [10, 20] } }).setReceiver(IGNORING, () => {});
  for (let i = 0; i < 13; i++) hub.attach({ name: `other${i}` });
  const ring = new Uint8Array(2048 * 1024);
  let got = 0;
  to.setReceiver({
    deliver: (buffer, offset, length) => {
      const at = (got++ & 1023) * 2048;
      if (length > 96) ring.set(buffer.subarray(offset, offset + length), at);
      else for (let i = 0; i < length; i++) ring[at + i] = buffer[offset + i] as number;
      return true;
    },
  }, () => {});
  const frames = framesOf(bytes);
  for (const each of frames) {
    const answer = each.slice();
    answer.copyWithin(6, 0, 6);
    answer.set(each.subarray(6, 12));
    to.deliver(answer, 0, answer.length, 0, 0);
  }
  got = 0;
  const end = performance.now() + SECONDS * 1000;
  const started = process.cpuUsage();
  while (performance.now() < end) {
    for (let i = 0; i < RUN_FRAMES * 16; i++) from.deliver(frames[i & (SOURCES - 1)]!, 0, bytes, 0, 0);
    from.flush();
  }
  const { user, system } = process.cpuUsage(started);
  return got / (user + system);
}

const IGNORING = { deliver: (): boolean => true };

/** This process receives, another one sends, a third one switches. */
async function throughProcess(bytes: number): Promise<number> {
  await using own = new OwnSwitches();
  own.directory.write(readConfiguration({ version: 1, name: 'bench', type: 'private' }));
  let got = 0;
  const link = new SwitchLink({
    switch: 'bench', nic: 'b', mac: B, settings: { macSpoofing: true },
    reach: (reading) => startSwitches(own.directory, reading),
  });
  link.setReceiver({ deliver: () => { got++; return true; } }, () => {});
  await until('the link comes up', () => link.isConnected);
  for (const each of framesOf(64)) {
    const answer = each.slice();
    answer.copyWithin(6, 0, 6);
    answer.set(each.subarray(6, 12));
    link.deliver(answer, 0, answer.length, 0, 0);
  }
  link.flush();
  const { configuration, runtime } = own.directory;
  const sender = fork(fileURLToPath(import.meta.url), [SENDER, configuration, runtime, String(bytes)]);
  await until('frames come', () => got > 0);
  const pid = await own.processId() as number;
  const [first, started] = [got, processorSeconds(pid)];
  await new Promise((resolve) => { setTimeout(resolve, SECONDS * 1000); });
  const rate = (got - first) / (processorSeconds(pid) - started) / 1e6;
  sender.kill('SIGKILL');
  link.close();
  return rate;
}

/** The other process: as many as the switch takes. */
async function send(configuration: string, runtime: string, bytes: number): Promise<void> {
  const directory = new SwitchDirectory({ configuration, runtime });
  const link = new SwitchLink({
    switch: 'bench', nic: 'a', mac: A, reach: (reading) => startSwitches(directory, reading),
  });
  const frames = framesOf(bytes);
  let at = 0;
  const fill = (): void => {
    while (link.isConnected) {
      if (!link.deliver(frames[at & (SOURCES - 1)]!, 0, bytes, 0, 0)) break;
      if ((++at & 0xffff) === 0) {
        link.flush();
        setImmediate(fill);
        return;
      }
    }
    link.flush();
  };
  link.setReceiver(IGNORING, fill);
  await until('the link comes up', () => link.isConnected);
  fill();
  await new Promise(() => { setInterval(() => {}, 1000); });
}

async function betweenInterfaces(rounds: number): Promise<void> {
  const lacking = lackingForVeths();
  if (lacking !== false) {
    process.stdout.write(`between interfaces of the host: not measured: ${lacking}\n`);
    return;
  }
  const all = forwarders();
  for (const bytes of [64, 1500]) {
    const rates = new Map(all.map(({ name }) => [name, [] as Rate[]]));
    for (let round = 0; round < rounds; round++) {
      for (const each of all) rates.get(each.name)?.push(await rateThrough(each, bytes, SECONDS));
    }
    for (const [name, values] of rates) {
      const through = median(values.map(({ framesPerSecond }) => framesPerSecond));
      const own = values.flatMap(({ framesPerProcessorSecond }) => framesPerProcessorSecond ?? []);
      process.stdout.write(`${`between interfaces, ${bytes} bytes, ${name}`.padEnd(46)} ${
        thousands(through)} kpps  ${own.length === 0 ? '' : `${thousands(median(own))} k a processor second`}\n`);
    }
  }
}

function thousands(count: number): string {
  return (count / 1000).toFixed(0).padStart(5);
}

async function main(rounds: number): Promise<void> {
  const cases: readonly (readonly [name: string, run: () => number | Promise<number>])[] = [
    ['in memory, 64 bytes', () => inMemory(64)], ['in memory, 1500 bytes', () => inMemory(1500)],
    ['through the process, 64 bytes', () => throughProcess(64)],
    ['through the process, 1500 bytes', () => throughProcess(1500)],
  ];
  const results = new Map(cases.map(([name]) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of cases) results.get(name)?.push(await run());
  }
  for (const [name, values] of results) {
    process.stdout.write(`${name.padEnd(32)} ${median(values).toFixed(2).padStart(6)} Mpps  ${
      values.map((value) => value.toFixed(2)).join(' ')}\n`);
  }
}

const [first, ...rest] = process.argv.slice(2);
if (first === SENDER) await send(rest[0] ?? '', rest[1] ?? '', Number(rest[2]));
else {
  await main(Number(first ?? 3));
  await betweenInterfaces(Number(first ?? 3));
}
process.exit(0);
