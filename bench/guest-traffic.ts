/**
 * How fast is TCP between two guests, beside the same guests on QEMU's software engine? iperf3 in the tiny image, one
 * stream and four: here on a private switch through the stock netvsc; there on virtio-net, joined by QEMU's socket and,
 * for root, by TAP interfaces on a bridge, which spare it checksums and small frames as ours does. `npm run bench
 * guest-traffic [ROUNDS [SECONDS]]`: rounds are interleaved, the figures are medians of what the receiver got, in
 * Mbit/s, and the ratio is to the better of the peers.
 */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../src/vswitch/testing/free-port.ts';
import { extendInitramfs } from '../tests/initramfs.ts';
import { kernelModules } from '../tests/kernel-modules.ts';
import { packagedPrograms } from '../tests/program-files.ts';
import { guestImage, PARTOUT } from '../tests/guest.ts';
import { type Engine, hasQemu, median, MEMORY_MIB, PARTOUT_ENGINE, runUntil, TCG_ENGINES } from './guest-run.ts';

const ROUNDS = Number(process.argv[2] ?? 3);
const SECONDS = Number(process.argv[3] ?? 10);
const PATIENCE_MS = 15 * 60_000;
/** QEMU's socket is there by then: who connects to one that is not yet there is never told. */
const HEAD_START_MS = 1000;
const STREAMS = [1, 4];
const BRIDGE = `b${process.pid}`;

/** Two ends of one network. */
type Pair = readonly [server: Engine, client: Engine];

interface Network {
  readonly name: string;
  pair(): Promise<Pair>;
}

function guestScript(modules: readonly string[]): string {
  return `#!/bin/sh
dmesg -n 1
[ -e /sys/bus/vmbus ] || for module in ${modules.join(' ')}; do insmod /$module; done
until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done
ip addr add 10.5.0.$1/24 dev eth0
ip link set eth0 up
[ $1 = 2 ] && exec iperf3 -s
until ping -c 1 -W 1 10.5.0.2 > /dev/null; do :; done
for streams in ${STREAMS.join(' ')}; do
  echo "streams $streams, $(iperf3 -f m -t ${SECONDS} -c 10.5.0.2 -P $streams | grep receiver | tail -1)"
done
echo all d"one"
`;
}

function withWords(engine: Engine, name: string, words: readonly string[]): Engine {
  return { name, command: (...image) => [...engine.command(...image), ...words] };
}

function qemu(name: string, netdev: string, mac: string): Engine {
  return withWords(TCG_ENGINES[0] as Engine, name, [
    '-netdev', `${netdev},id=net`, '-device', `virtio-net-pci,netdev=net,mac=02:00:00:00:00:${mac}`,
  ]);
}

function networks(): Network[] {
  const ours: Network = {
    name: 'Partout',
    pair: async () => ['b', 'a'].map((name) =>
      withWords(PARTOUT_ENGINE, name, ['--nic', `lab,name=${name}`])) as unknown as Pair,
  };
  const socket: Network = {
    name: 'TCG, socket',
    pair: async () => {
      const place = `127.0.0.1:${await freePort()}`;
      return [qemu('b', `socket,listen=${place}`, '0b'), qemu('a', `socket,connect=${place}`, '0a')];
    },
  };
  const taps: Network = {
    name: 'TCG, TAP',
    pair: async () => ['b', 'a'].map((name) =>
      qemu(name, `tap,ifname=${BRIDGE}${name},script=no,downscript=no`, `0${name}`)) as unknown as Pair,
  };
  return process.getuid?.() === 0 ? [ours, socket, taps] : [ours, socket];
}

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: 'ignore' });
}

function makeBridge(): void {
  ip('link', 'add', BRIDGE, 'type', 'bridge');
  for (const name of [`${BRIDGE}a`, `${BRIDGE}b`]) {
    ip('tuntap', 'add', name, 'mode', 'tap');
    ip('link', 'set', name, 'master', BRIDGE, 'up');
  }
  ip('link', 'set', BRIDGE, 'up');
}

function removeBridge(): void {
  for (const name of [`${BRIDGE}a`, `${BRIDGE}b`, BRIDGE]) spawnSync('ip', ['link', 'delete', name]);
}

function append(last: number): string {
  return `console=ttyS0 quiet partout.address=none partout.run="/bench ${last}"`;
}

/** Mbit/s, by the number of streams. */
async function ratesOf({ name, pair }: Network, image: { kernel: string; initrd: string }): Promise<number[]> {
  const [server, client] = await pair();
  const [program, ...words] = server.command(image.kernel, image.initrd, append(2), MEMORY_MIB);
  const listening: ChildProcess = spawn(program, words, { stdio: 'ignore' });
  const ended = once(listening, 'exit');
  try {
    await wait(HEAD_START_MS);
    const { console: text } = await runUntil(client, image, append(1), /all done/, PATIENCE_MS);
    return STREAMS.map((streams) => {
      const rate = new RegExp(`streams ${streams}, .*?([\\d.]+) Mbits/sec`).exec(text)?.[1];
      if (rate === undefined) throw new Error(`${name} says nothing of ${streams} streams:\n${text.slice(-2000)}`);
      return Number(rate);
    });
  } finally {
    listening.kill('SIGKILL');
    await ended;
  }
}

if (!hasQemu()) {
  process.stderr.write('bench guest-traffic: QEMU is not installed (Debian package qemu-system-x86)\n');
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'partout-bench-'));
process.env['PARTOUT_CONFIG'] = folder;
process.env['PARTOUT_RUNTIME'] = folder;
try {
  execFileSync(PARTOUT, ['switch', 'new', 'lab'], { stdio: 'ignore' });
  const image = guestImage('tiny');
  const modules = await kernelModules(image, ['virtio_pci', 'virtio_net']);
  const initrd = join(folder, 'initrd-of-bench');
  const iperf = await packagedPrograms('iperf3', ['usr/bin/iperf3']);
  extendInitramfs(image.initrd, { ...modules, ...iperf, bench: guestScript(Object.keys(modules)) }, initrd);
  const all = networks();
  if (all.length > 2) makeBridge();
  const rates = all.map(() => STREAMS.map(() => [] as number[]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, network] of all.entries()) {
      const found = await ratesOf(network, { kernel: image.kernel, initrd });
      found.forEach((rate, i) => rates[index]?.[i]?.push(rate));
    }
  }
  for (const [i, streams] of STREAMS.entries()) {
    const [own, ...peers] = rates.map((each) => median(each[i] as number[])) as [number, ...number[]];
    const figures = all.map(({ name }, index) => `${name} ${[own, ...peers][index]?.toFixed(0)} Mbit/s`).join(', ');
    process.stdout.write(`TCP, streams: ${streams}  ${figures}: ${(own / Math.max(...peers)).toFixed(2)} ×\n`);
  }
} finally {
  removeBridge();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
