/**
 * The three types of switch, under two stock guests and by stock ping: who reaches whom by IPv4, IPv6, broadcast and
 * multicast, and captures that hold exactly the frames that should have been. One pair of guests sees a private switch
 * become an internal one and then an external one. Needs root: it moves into a network namespace of its own, which is
 * the host for it, with a peer in another one behind a veth interface.
 */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Host, type VirtualSwitch, type VM } from 'partout';
import { guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { packagedPrograms } from '../program-files.ts';
import { addressLine, startOnSwitch } from './lab-guests.ts';

const INSIDE = 'inside';
const SPACE = `n${process.pid}`;
const PEER = process.argv[3] ?? `p${process.pid}`;
/** In the data of every ping whose frames are counted. */
const MARK = '5a5b5c5d';
const COUNT = 3;
const SETTLE_MS = 600;
const COMMAND_MS = 60_000;
const GROUP4 = '224.0.0.251';
const GROUP6 = 'ff02::1';
/** By the name of the port: the last part of the addresses of who is behind it. */
const MEMBERS = { a: 1, b: 2, host: 100, uplink: 200 } as const;
type Member = keyof typeof MEMBERS;

/** Where a ping is sent: in a guest, on the host, or by the peer behind the uplink. */
type Sender = (words: readonly string[]) => Promise<boolean>;

function run(program: string, ...words: string[]): string {
  return execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
}

function pings(program: string, before: readonly string[]): Sender {
  return async (words) => spawnSync(program, [...before, ...words], { timeout: 60_000 }).status === 0;
}

function address4(member: Member): string {
  return `10.5.0.${MEMBERS[member]}`;
}

function address6(member: Member): string {
  return `fd05::${MEMBERS[member]}`;
}

/** What of a frame counts: an echo request or reply that is marked, by IPv4 or IPv6. */
function echoKind(bytes: Uint8Array): string | undefined {
  const frame = Buffer.from(bytes);
  if (!frame.includes(Buffer.from(MARK, 'hex'))) return undefined;
  const type = frame.readUInt16BE(12);
  if (type === 0x0800 && frame[23] === 1) return `v4 ${frame[34] === 8 ? 'request' : 'reply'}`;
  return type === 0x86dd && frame[20] === 58 ? `v6 ${frame[54] === 128 ? 'request' : 'reply'}` : undefined;
}

/** How often which frame passed which port while something was done. */
async function captured(lab: VirtualSwitch, action: () => Promise<void>): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const frames = lab.capture();
  const ended = (async (): Promise<void> => {
    for await (const { point, nic, bytes } of frames) {
      const kind = echoKind(bytes);
      if (kind === undefined) continue;
      const key = `${point} ${nic} ${kind}`;
      counts[key] = (counts[key] ?? 0) + 1;
    }
  })();
  await wait(SETTLE_MS);
  await action();
  await wait(SETTLE_MS);
  await frames.return(undefined);
  await ended;
  return counts;
}

/** The frames of pings from one to another, or to all others, who answer if `isAnswered`. */
function expected(from: Member, to: readonly Member[], version: 'v4' | 'v6', isAnswered: boolean): object {
  const counts: Record<string, number> = { [`ingress ${from} ${version} request`]: COUNT };
  for (const each of to) {
    counts[`egress ${each} ${version} request`] = COUNT;
    if (!isAnswered) continue;
    counts[`ingress ${each} ${version} reply`] = COUNT;
    counts[`egress ${from} ${version} reply`] = COUNT * to.length;
  }
  return counts;
}

class Lab {
  readonly lab: VirtualSwitch;
  readonly #senders: Readonly<Record<Member, Sender>>;
  /** Captures that were compared. */
  captures = 0;

  constructor(lab: VirtualSwitch, senders: Readonly<Record<Member, Sender>>) {
    this.lab = lab;
    this.#senders = senders;
  }

  /** Who is there reaches everybody, and nobody else is reached. */
  async judge(present: readonly Member[]): Promise<void> {
    const absent = (Object.keys(MEMBERS) as Member[]).filter((each) => !present.includes(each));
    for (const to of absent) {
      for (const address of [address4(to), address6(to)]) {
        assert.equal(await this.#senders.a(['-c', '1', '-W', '1', address]), false, `${to} is not to be reached`);
      }
    }
    for (const from of present) {
      for (const to of present.filter((each) => each !== from)) await this.#unicast(from, to);
    }
    for (const from of present) await this.#groups(from, present.filter((each) => each !== from));
  }

  async #unicast(from: Member, to: Member): Promise<void> {
    for (const [version, address] of [['v4', address4(to)], ['v6', address6(to)]] as const) {
      // Who is where, and who has which address, is found first.
      let isReached = false;
      for (let i = 0; i < 20 && !isReached; i++) isReached = await this.#senders[from](['-c', '1', '-W', '1', address]);
      assert.ok(isReached, `${from} reaches ${to} by ${address}`);
      await this.#compare(from, [address], expected(from, [to], version, true));
    }
  }

  /** Linux answers no request by IPv4 that went to many. */
  async #groups(from: Member, others: readonly Member[]): Promise<void> {
    const link = { a: 'eth0', b: 'eth0', host: 'vEthernet(lab)', uplink: 'wire' }[from];
    await this.#compare(from, ['-b', '10.5.0.255'], expected(from, others, 'v4', false));
    await this.#compare(from, ['-I', link, GROUP4], expected(from, others, 'v4', false));
    await this.#compare(from, ['-I', link, GROUP6], expected(from, others, 'v6', true));
  }

  async #compare(from: Member, words: readonly string[], frames: object): Promise<void> {
    const counts = await captured(this.lab, async () => {
      await this.#senders[from](['-c', String(COUNT), '-i', '0.5', '-W', '1', '-p', MARK, ...words]);
    });
    assert.deepEqual(counts, frames, `${from}: ping ${words.join(' ')}`);
    this.captures++;
  }
}

async function inside(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
  process.env['PARTOUT_CONFIG'] = folder;
  process.env['PARTOUT_RUNTIME'] = folder;
  try {
    run('ip', 'link', 'set', 'lo', 'up');
    const { kernel, initrd: plain, commandLine } = guestImage('tiny');
    const initrd = join(folder, 'initrd');
    extendInitramfs(plain, await packagedPrograms('iputils-ping', ['bin/ping']), initrd);
    await using host = await Host.open();
    const lab = await host.createSwitch({ name: 'lab', type: 'private' });
    const lineOf = (name: Member): string =>
      `${addressLine(MEMBERS[name])}; ip -6 addr add ${address6(name)}/64 dev eth0`;
    const guests = await startOnSwitch(host, lab, {
      image: { kernel, initrd, commandLine }, memory: '128M', deadlineMs: COMMAND_MS,
      lines: { a: lineOf('a'), b: lineOf('b') },
    });
    const inGuest = (vm: VM): Sender => async (words) => (await vm.exec(['/bin/ping', ...words])).exitCode === 0;
    const proof = new Lab(lab, {
      a: inGuest(guests[0] as VM), b: inGuest(guests[1] as VM), host: pings('ping', []),
      uplink: pings('ip', ['netns', 'exec', PEER, 'ping']),
    });
    await proof.judge(['a', 'b']);
    await lab.set({ type: 'internal' });
    await nameHost();
    await proof.judge(['a', 'b', 'host']);
    addPeer();
    await lab.set({ type: 'external', adapter: 'wire', allowManagement: true });
    await nameHost();
    await proof.judge(['a', 'b', 'host', 'uplink']);
    assert.ok(await pings('ip', ['netns', 'exec', PEER, 'ping'])(['-c', '1', '-W', '5', '10.6.0.1']),
      'the host is reached by the interface itself');
    process.stdout.write(`figure: two guests on a private, an internal and an external switch: ${proof.captures} `
      + 'captures with exactly the expected frames; nobody else is reached, and the host is by its own interface\n');
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The host's interface on the switch gets its addresses, once it is there. */
async function nameHost(): Promise<void> {
  const name = 'vEthernet(lab)';
  while (spawnSync('ip', ['link', 'show', name]).status !== 0) await wait(50);
  for (const words of [[`${address4('host')}/24`], [`${address6('host')}/64`, 'nodad']]) {
    spawnSync('ip', ['address', 'replace', words[0] as string, 'dev', name, ...words.slice(1)]);
  }
}

/** Behind `wire`, where the host has an address, too. */
function addPeer(): void {
  run('ip', 'link', 'add', 'wire', 'type', 'veth', 'peer', 'name', 'wire', 'netns', PEER);
  run('ip', 'address', 'add', '10.6.0.1/24', 'dev', 'wire');
  run('ip', 'link', 'set', 'wire', 'up');
  const inPeer = (...words: string[]): string => run('ip', '-n', PEER, ...words);
  for (const address of [`${address4('uplink')}/24`, '10.6.0.2/24']) inPeer('address', 'add', address, 'dev', 'wire');
  inPeer('address', 'add', `${address6('uplink')}/64`, 'dev', 'wire', 'nodad');
  inPeer('link', 'set', 'wire', 'up');
}

if (process.argv[2] === INSIDE) {
  await inside();
} else {
  assert.equal(process.getuid?.(), 0, 'interfaces of the host need root');
  assert.equal(spawnSync('ping', ['-V']).status, 0, 'the package iputils-ping is not installed');
  guestImage('tiny');
  await packagedPrograms('iputils-ping', ['bin/ping']);
  for (const space of [SPACE, PEER]) run('ip', 'netns', 'add', space);
  try {
    const words = ['netns', 'exec', SPACE, process.execPath, fileURLToPath(import.meta.url), INSIDE, PEER];
    const { status } = spawnSync('ip', words, { stdio: 'inherit' });
    process.exitCode = status ?? 1;
  } finally {
    for (const space of [SPACE, PEER]) spawnSync('ip', ['netns', 'delete', space]);
  }
}
