/**
 * Switches that reach the host: by user-mode sockets for everybody; by interfaces where the system permits them, judged
 * by the host's own TCP, through a TAP interface and through a veth pair into a network namespace.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { runCommand } from '../../kit/command.ts';
import { FrameOffload, type NetworkEndpoint } from '../../kit/network-endpoint.ts';
import { loadNativeCalls } from '../../kit/native-calls.ts';
import { HostClock } from '../../kit/clock.ts';
import { NatNetwork } from '../nat/nat-network.ts';
import { interfaceNameOf } from '../service/host-attachment.ts';
import { ask } from '../service/ask.ts';
import { readConfiguration } from '../service/configuration.ts';
import { reachSwitches } from '../service/start.ts';
import { freePort } from '../testing/free-port.ts';
import { BROADCAST, frame, nicOn } from '../testing/lab.ts';
import { OwnSwitches, until } from '../testing/own-switches.ts';
import { Switch } from '../switch/switch.ts';
import { HostPort } from './host-port.ts';
import { openPacketSocket, openTap } from './frame-device.ts';
import { PacketRings } from './packet-rings.ts';
import { UserPort } from './user-port.ts';
import { offloadOf, segmentOf, writeVirtioHeader } from './virtio-header.ts';

const LAB = `t${process.pid}`;
const ADDRESS = Uint8Array.of(2, 0, 0, 0, 9, 1);

/** Why this host cannot. */
function lacking(): string | false {
  if (process.getuid?.() !== 0) return 'interfaces of the host need root';
  if (loadNativeCalls() === undefined) return 'interfaces of the host need the package koffi';
  try {
    run('ip', 'link', 'add', `${LAB}x`, 'type', 'veth', 'peer', 'name', `${LAB}y`);
    run('ip', 'link', 'delete', `${LAB}x`);
    return false;
  } catch {
    return 'this host makes no veth pairs';
  }
}

function run(program: string, ...words: string[]): string {
  return execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
}

const skip = lacking();

/** Answers for 10.77.<net>.1 as a guest would: a NAT network whose gateway is that address. */
function guestOn(hub: Switch, net: number): NatNetwork {
  const guest = new NatNetwork({ subnet: `10.77.${net}.0/24`, outside: false });
  join(hub.attach({ name: 'guest' }), guest.attach('host'));
  return guest;
}

function join(a: NetworkEndpoint, b: NetworkEndpoint): void {
  a.setReceiver({ deliver: (...each) => b.deliver(...each) }, () => {});
  b.setReceiver({ deliver: (...each) => a.deliver(...each) }, () => {});
}

test('interfaces of the host get names that they may have', () => {
  assert.deepEqual(['lab', 'a b', 'network', 'a very long name'].map(interfaceNameOf),
    ['vEthernet(lab)', 'vEthernet(a-b)', 'vEth(network)', 'vEth-4e54041b']);
});

test('the header says what an endpoint says, and the other way round', () => {
  const bytes = frame(BROADCAST, 2);
  bytes.set([0x45, 0, 0, 46], 14);
  bytes[23] = 6;
  bytes[46] = 0x50;
  const view = new DataView(new ArrayBuffer(10));
  assert.ok(writeVirtioHeader(view, 0, bytes, 0, bytes.length, FrameOffload.TransportChecksumPartial, 4));
  assert.deepEqual(new Uint8Array(view.buffer), Uint8Array.of(1, 1, 54, 0, 4, 0, 34, 0, 16, 0));
  assert.deepEqual([offloadOf(view, 0), segmentOf(view, 0)], [FrameOffload.TransportChecksumPartial, 4]);
  assert.ok(writeVirtioHeader(view, 0, bytes, 0, bytes.length, 0, 0));
  assert.deepEqual(new Uint8Array(view.buffer), new Uint8Array(10));
  bytes[23] = 1;
  assert.equal(writeVirtioHeader(view, 0, bytes, 0, bytes.length, FrameOffload.TransportChecksumPartial, 0), false);
});

/** A port of the host's reaches the guest with that NIC, for as long as it is wished for. */
async function reachesGuest(user: UserPort, nic: ReturnType<typeof nicOn>): Promise<void> {
  await using taken = await Server.start('127.0.0.1');
  const forward = { protocol: 'tcp', hostPort: await freePort(), mac: '02-00-00-00-00-09', guestPort: 80 } as const;
  user.forward([forward, { ...forward, hostPort: taken.port }]);
  await until('both are tried', () => user.forwards.length === 2);
  assert.equal(user.forwards[0]?.reason, undefined);
  assert.match(user.forwards[1]?.reason ?? '', /cannot listen on 127\.0\.0\.1:\d+, name another/);
  nic.got.length = 0;
  const socket = connect(forward.hostPort, '127.0.0.1');
  socket.on('error', () => {});
  await until('the guest is asked', () => nic.got.some((bytes) => bytes[23] === 6 && bytes[37] === 80));
  socket.destroy();
  user.forward([]);
  await until('none is left', () => user.forwards.length === 0);
  const refused = connect(forward.hostPort, '127.0.0.1');
  const [error] = await once(refused, 'error') as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
}

test('without privilege the host is the gateway of an internal switch', async () => {
  const hub = new Switch({ clock: new HostClock() });
  const nic = nicOn(hub, { name: 'a' });
  const user = new UserPort({ port: hub.attach({ name: 'host' }), onRun: () => {} });
  await until('it says where it is', () => user.gateway !== undefined);
  const gateway = user.gateway!.split('.').map(Number);
  const request = new Uint8Array(60).fill(0xff, 0, 6);
  request.set([2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9], 6);
  request.set([...gateway.slice(0, 3), 77, 0, 0, 0, 0, 0, 0, ...gateway], 28);
  nic.send(request);
  await until('it answers', () => nic.got.length > 0);
  assert.deepEqual([...nic.got[0]!.subarray(20, 22), ...nic.got[0]!.subarray(28, 32)], [0, 2, ...gateway]);
  await reachesGuest(user, nic);
  await user.close();
});

test('an internal switch is an interface of the host', { skip }, async () => {
  const hub = new Switch({ clock: new HostClock() });
  const guest = guestOn(hub, 1);
  const name = interfaceNameOf(LAB);
  const device = openTap(name, 'alias', ADDRESS);
  const port = new HostPort({ device, port: hub.attach({ name: 'host' }), rings: new PacketRings(), onRun() {} });
  await using server = await Server.start('127.0.0.1');
  try {
    run('ip', 'address', 'add', '10.77.1.9/24', 'dev', name);
    assert.equal(await fetched([], `http://10.77.1.1:${server.port}/`), PAGE_SUM);
  } finally {
    await port.close();
  }
  assert.throws(() => run('ip', 'link', 'show', name));
  guest.close();
});

test('an external switch reaches what is behind an interface, tags included, and the host keeps it', { skip },
  async () => {
    const [mine, theirs, space] = [`${LAB}a`, `${LAB}b`, LAB];
    run('ip', 'netns', 'add', space);
    try {
      run('ip', 'link', 'add', mine, 'type', 'veth', 'peer', 'name', theirs, 'netns', space);
      run('ip', 'address', 'add', '10.77.3.9/24', 'dev', mine);
      run('ip', '-n', space, 'address', 'add', '10.77.2.9/24', 'dev', theirs);
      run('ip', '-n', space, 'address', 'add', '10.77.3.8/24', 'dev', theirs);
      run('ip', '-n', space, 'link', 'set', theirs, 'up');
      const hub = new Switch({ clock: new HostClock() });
      const guest = guestOn(hub, 2);
      const uplink = hub.attach({ name: 'uplink', vlan: { kind: 'trunk', native: 0, allowed: [10] } });
      const port = new HostPort({ device: openPacketSocket(mine), port: uplink, rings: new PacketRings(), onRun() {} });
      const tagged = nicOn(hub, { name: 'tagged', vlan: { kind: 'access', id: 10 } });
      await using server = await Server.start('0.0.0.0');
      const inSpace = ['ip', 'netns', 'exec', space];
      try {
        assert.equal(await fetched(inSpace, `http://10.77.2.1:${server.port}/`), PAGE_SUM);
        assert.equal(await fetched(inSpace, `http://10.77.3.9:${server.port}/`), PAGE_SUM, 'the host is still there');
        const before = uplink.counters.get('framesOut');
        tagged.send(frame(BROADCAST, 2));
        assert.equal(uplink.counters.get('framesOut'), before + 1);
      } finally {
        await port.close();
        guest.close();
      }
    } finally {
      run('ip', 'netns', 'delete', space);
    }
  });

const SERVER = `
  const page = Uint8Array.from({ length: 2 << 20 }, (_, i) => (i * 37) >> 4);
  require('node:http').createServer((_, response) => response.end(page)).listen(80, () => console.log('ready'));`;

test('what is behind two interfaces meets through their rings', { skip }, async () => {
  const spaces = [1, 2].map((number) => ({
    name: `${LAB}r${number}`, mine: `${LAB}m${number}`, theirs: `${LAB}w${number}`, address: `10.77.4.${number}`,
  }));
  type Space = typeof spaces extends (infer Each)[] ? Each : never;
  const [first, second] = spaces as [Space, Space];
  const hub = new Switch({ clock: new HostClock() });
  const rings = new PacketRings();
  const ports: HostPort[] = [];
  const inSpace = ({ name }: Space): string[] => ['ip', 'netns', 'exec', name];
  try {
    for (const { name, mine, theirs, address } of spaces) {
      run('ip', 'netns', 'add', name);
      run('ip', 'link', 'add', mine, 'type', 'veth', 'peer', 'name', theirs, 'netns', name);
      run('ip', 'link', 'set', mine, 'up');
      run('ip', '-n', name, 'address', 'add', `${address}/24`, 'dev', theirs);
      run('ip', '-n', name, 'link', 'set', theirs, 'up');
      const port = hub.attach({ name: mine });
      ports.push(new HostPort({ device: openPacketSocket(mine), port, rings, onRun() {} }));
    }
    const [program = '', ...words] = [...inSpace(second), process.execPath, '-e', SERVER];
    const server = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(server, 'exit');
    try {
      await once(server.stdout, 'data');
      assert.equal(await fetched(inSpace(first), `http://${second.address}/`), PAGE_SUM);
    } finally {
      server.kill('SIGKILL');
      await ended;
    }
    for (const { lost } of ports) assert.deepEqual(lost, { framesIn: 0, framesOut: 0 });
  } finally {
    for (const port of ports) await port.close();
    for (const { name } of spaces) spawnSync('ip', ['netns', 'delete', name]);
  }
});

const PAGE = Uint8Array.from({ length: 2 << 20 }, (_, i) => (i * 37) >> 4);
const PAGE_SUM = createHash('sha256').update(PAGE).digest('hex');

class Server implements AsyncDisposable {
  readonly #server = createServer((_, response) => response.end(PAGE));

  static async start(address: string): Promise<Server> {
    const made = new Server();
    made.#server.listen(0, address);
    await once(made.#server, 'listening');
    return made;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => { this.#server.close(resolve); });
  }
}

/** The sum of a page, as another process gets it. */
async function fetched(before: readonly string[], address: string): Promise<string> {
  const program = `
    const body = Buffer.from(await (await fetch(${JSON.stringify(address)})).arrayBuffer());
    console.log(require('node:crypto').createHash('sha256').update(body).digest('hex'));`;
  const words = [...before, process.execPath, '-e', `(async () => {${program}})()`];
  const signal = AbortSignal.timeout(60_000);
  const { stdout, stderr } = await runCommand(words[0] as string, words.slice(1), { signal });
  return (stdout + stderr).trim();
}

test('what a switch has of the host is told, and follows its type', async () => {
  await using own = new OwnSwitches();
  const base = readConfiguration({ version: 1, name: LAB, type: 'internal' });
  own.directory.write(base);
  const nic = own.nic({ switch: LAB, nic: 'a', mac: 2 });
  await until('the link comes up', () => nic.link.isConnected);
  const hosts = async (): Promise<{ port: string; kind: string; reason?: string }[]> =>
    (await ask((await reachSwitches(own.directory))!, { kind: 'status', switch: LAB }) as
      { host: { port: string; kind: string; reason?: string }[] }).host;
  await until('the host is there', async () => (await hosts()).length === 1);
  assert.equal((await hosts())[0]?.kind, skip === false ? 'tap' : 'user mode');
  own.directory.write(readConfiguration({ ...base, type: 'external', adapter: 'absent0', allowManagement: false }));
  await ask((await reachSwitches(own.directory))!, { kind: 'reload', switch: LAB });
  await until('it has an uplink', async () => (await hosts())[0]?.port === 'uplink');
  assert.match((await hosts())[0]?.reason ?? '', /cannot bind to the interface absent0|which is not installed/);
  own.directory.write(base);
  await ask((await reachSwitches(own.directory))!, { kind: 'reload', switch: LAB });
  await until('the host is there again', async () => (await hosts())[0]?.port === 'host');
});
