/**
 * The library as a program uses it: virtual machines in processes of their own, with kernels of a few instructions and
 * with Debian's. The latter needs apt, to fetch the kernel and busybox.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Host, type VM } from 'partout';
import { ask } from '../src/vswitch/service/ask.ts';
import { reachSwitches } from '../src/vswitch/service/start.ts';
import { SwitchDirectory } from '../src/vswitch/service/switch-directory.ts';
import { tinyImageOrReason } from './guest.ts';
import { extendInitramfs } from './initramfs.ts';
import { IDLE, multibootKernel, says, TIGHT_LOOP, TRIPLE_FAULT } from './multiboot-kernel.ts';
import { ECHO_PORT, HOST_PORT, vsockProgram } from './vsock-program.ts';

const PATIENCE_MS = 3 * 60_000;
const ROOT = new URL('../../', import.meta.url);

const folder = mkdtempSync(join(tmpdir(), 'partout-test-'));
after(() => rmSync(folder, { recursive: true }));

function kernelOf(name: string, code: readonly number[]): string {
  const path = join(folder, name);
  writeFileSync(path, multibootKernel(code));
  return path;
}

/** Reads a VM's console until it shows `pattern`, each time from where it left off. */
function consoleOf(vm: VM): (pattern: RegExp) => Promise<string> {
  let text = '';
  let look = (): void => {};
  vm.console.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
    look();
  });
  return (pattern) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${pattern} in:\n${text.slice(-3000)}`)), PATIENCE_MS);
    look = (): void => {
      const match = pattern.exec(text);
      if (match === null) return;
      clearTimeout(timer);
      text = text.slice(match.index + match[0].length);
      look = () => {};
      resolve(match[0]);
    };
    look();
  });
}

async function allOf(stream: Duplex): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** The processes of VMs that this process has started. One that has ended and is not waited for yet has no words. */
function vmProcesses(): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      return Number(parent) === process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('vm-process');
    } catch {
      return false;
    }
  });
}

test('a VM runs in a process of its own, is stopped and started again, and leaves nothing', async () => {
  await using host = await Host.open();
  const vm = await host.createVM({ name: 'a', kernel: kernelOf('says', says('up')), nics: [] });
  const shows = consoleOf(vm);
  assert.equal(vm.state, 'off');
  for (let run = 0; run < 2; run++) {
    await vm.start();
    await assert.rejects(vm.start(), /a runs already/);
    await shows(/up/);
    assert.equal(vmProcesses().length, 1);
    await vm.stop();
    assert.deepEqual(await vm.ended, { kind: 'off' });
    assert.equal(vm.state, 'off');
    assert.deepEqual(vmProcesses(), []);
  }
});

test('a host stops and forgets its VMs when it is closed, whatever their guests do', async () => {
  const host = await Host.open();
  const names = ['idle', 'hangs'];
  for (const [index, code] of [IDLE, TIGHT_LOOP].entries()) {
    const name = names[index] as string;
    await (await host.createVM({ name, kernel: kernelOf(name, code), nics: [] })).start();
  }
  assert.deepEqual(host.vms.map(({ name }) => name), names);
  assert.equal(vmProcesses().length, 2);
  await host[Symbol.asyncDispose]();
  assert.deepEqual(host.vms, []);
  assert.deepEqual(vmProcesses(), []);
});

test('a VM whose process dies has failed, and can be started again', async () => {
  await using host = await Host.open();
  await using vm = await host.createVM({ name: 'a', kernel: kernelOf('dies', IDLE), nics: [] });
  await vm.start();
  const asked = assert.rejects(vm.shutdown(), /not there any more|ended otherwise: failed/);
  process.kill(vmProcesses()[0] as number, 'SIGKILL');
  assert.equal((await vm.ended).kind, 'failed');
  await asked;
  await vm.start();
  assert.equal(vm.state, 'running');
});

test('a guest that does not obey is told of in a sentence, and runs on', async () => {
  await using host = await Host.open();
  await using vm = await host.createVM({ name: 'deaf', kernel: kernelOf('deaf', IDLE), nics: [] });
  await vm.start();
  await assert.rejects(vm.shutdown({ deadlineMs: 200 }), /deaf has not switched itself off within 0\.2 s|no driver/);
  await assert.rejects(vm.reboot({ deadlineMs: 200 }), /deaf has not restarted within 0\.2 s|no driver/);
  assert.equal(vm.state, 'running');
});

test('a guest that resets is started again in place', async () => {
  await using host = await Host.open();
  const code = [...says('.').slice(0, -IDLE.length), ...TRIPLE_FAULT];
  await using vm = await host.createVM({ name: 'again', kernel: kernelOf('again', code), nics: [] });
  const shows = consoleOf(vm);
  await vm.start();
  await shows(/\.\.\./);
});

const REFUSED: readonly (readonly [what: string, options: Parameters<Host['createVM']>[0], why: RegExp])[] = [
  ['no name', { name: '', kernel: 'x' }, /name is letters/],
  ['nothing to run', { name: 'a' }, /nothing to run: give an image, a kernel or a disk/],
  ['an image and a kernel', { name: 'a', image: 'tiny', kernel: 'x' }, /one or the other/],
  ['an image that is not there', { name: 'a', image: 'none' }, /there is no image "none"/],
  ['little memory', { name: 'a', kernel: 'x', memory: '1M' }, /between 16M and/],
  ['memory that is no size', { name: 'a', kernel: 'x', memory: 'much' }, /is a size such as 512M/],
  ['no processor', { name: 'a', kernel: 'x', processors: 0 }, /1 to 64 processors, not 0/],
  ['a group as a NIC', { name: 'a', kernel: 'x', nics: [{ network: 'nat', mac: '01-00-00-00-00-00' }] },
    /mac is the address of one station/],
];

for (const [what, options, why] of REFUSED) {
  test(`${what} is refused in a sentence`, async () => {
    await using host = await Host.open();
    await assert.rejects(host.createVM(options), why);
    assert.deepEqual(host.vms, []);
  });
}

test('a name is taken once, and a kernel that is not there is found out at the start', async () => {
  await using host = await Host.open();
  const vm = await host.createVM({ name: 'a', kernel: join(folder, 'absent'), nics: [] });
  await assert.rejects(host.createVM({ name: 'a', kernel: 'x' }), /there is a VM a already/);
  await assert.rejects(vm.start(), /cannot read .*absent: there is no such file/);
  assert.equal(vm.state, 'off');
  await assert.rejects(vm.shutdown(), /a does not run/);
  assert.deepEqual(vmProcesses(), []);
});

const { image, skip } = tinyImageOrReason();

const EXAMPLES = [['one-guest', /Linux version/], ['private-switch', /^Linux .* x86_64.*\nit ended with 0$/m]] as const;

for (const [name, shows] of EXAMPLES) {
  test(`the example ${name} of the README runs`, { skip }, () => {
    const source = readFileSync(new URL(`tests/examples/${name}.ts`, ROOT), 'utf8');
    const readme = readFileSync(new URL('README.md', ROOT), 'utf8');
    assert.ok(readme.includes(`\`\`\`ts\n${source}\`\`\`\n`), `the README shows tests/examples/${name}.ts as it is`);
    const program = fileURLToPath(new URL(`dist/tests/examples/${name}.js`, ROOT));
    const { status, stdout, stderr } = spawnSync(process.execPath, [program], {
      encoding: 'utf8', timeout: PATIENCE_MS, env: { ...process.env, PARTOUT_CONFIG: folder, PARTOUT_RUNTIME: folder },
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, shows);
  });
}

test('guests of a program meet on its switch, whose process may die', { skip }, async () => {
  process.env['PARTOUT_CONFIG'] = folder;
  process.env['PARTOUT_RUNTIME'] = folder;
  await using host = await Host.open();
  const lab = await host.createSwitch({ name: 'meeting', type: 'private' });
  const { kernel, initrd, commandLine } = image;
  const guests = await Promise.all(['a', 'b'].map((name) => host.createVM({
    name, kernel, initrd, commandLine: `${commandLine} partout.address=none`, memory: '128M', nics: [{ switch: lab }],
  })));
  for (const [i, vm] of guests.entries()) {
    await vm.start();
    await vm.exec(['sh', '-c', `ip addr add 10.5.0.${i + 1}/24 dev eth0; ip link set eth0 up`]);
  }
  const meet = ['sh', '-c', 'until ping -c 1 -W 1 10.5.0.2; do :; done'];
  assert.match((await guests[0]!.exec(meet)).stdout, / 0% packet loss/);
  const socket = await reachSwitches(SwitchDirectory.open());
  const { pid } = await ask(socket!, { kind: 'process' }) as { pid: number };
  process.kill(pid, 'SIGKILL');
  assert.match((await guests[0]!.exec(meet)).stdout, / 0% packet loss/);
});

/** Words, input and both outputs come through as they are, and so does how a command ends. */
async function runsCommands(vm: VM): Promise<void> {
  const word = ` a'b"c$d\n\\e `;
  assert.deepEqual(await vm.exec(['printf', '%s', word]), { stdout: word, stderr: '', exitCode: 0 });
  const input = 'x'.repeat(1 << 20);
  const { stdout, stderr, exitCode } = await vm.exec(['sh', '-c', 'cat; echo >&2 no; exit 7'], { input });
  assert.deepEqual([stdout === input, stderr, exitCode], [true, 'no\n', 7]);
  assert.equal((await vm.exec(['absent'])).exitCode, 127);
  assert.equal((await vm.exec(['sh', '-c', 'kill -9 $$'])).exitCode, 137);
  const many = await Promise.all(Array.from({ length: 8 }, (_, i) => vm.exec(['echo', String(i)])));
  assert.deepEqual(many.map((each) => each.stdout), Array.from({ length: 8 }, (_, i) => `${i}\n`));
  await assert.rejects(vm.exec(['sleep', '100'], { deadlineMs: 500 }), /sleep has not ended within 0\.5 s/);
  await assert.rejects(vm.exec(['cat', '/dev/zero'], { maximumBytes: 1000 }), /writes more than 1000 bytes/);
  await assert.rejects(vm.exec([]), /a command has a name/);
}

test('a Debian kernel talks over sockets, restarts and shuts down as a program asks', { skip }, async () => {
  const initrd = join(folder, 'initrd');
  extendInitramfs(image.initrd, { 'bin/vsock': vsockProgram() }, initrd);
  await using host = await Host.open();
  await using vm = await host.createVM({
    name: 'debian', kernel: image.kernel, initrd, commandLine: image.commandLine, memory: '256M', nics: [],
  });
  const shows = consoleOf(vm);
  await vm.start();
  await shows(/\/ # /);
  if (vm.heartbeat.state !== 'ok') await once(vm.heartbeat, 'beating');
  await assert.rejects(vm.socket(ECHO_PORT), /nothing there listens on it/);
  vm.console.write('vsock &\n');
  await shows(/listening\r*\n/);
  const sent = Buffer.from(Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 31) >> 3));
  const stream = await vm.socket(ECHO_PORT);
  stream.end(sent);
  assert.ok((await allOf(stream)).equals(sent));
  const heard: Promise<Buffer>[] = [];
  await using listening = await vm.listen(HOST_PORT, (connection) => {
    heard.push(allOf(connection));
    connection.end('heard you\n');
  });
  assert.ok(listening);
  vm.console.write('echo hello | vsock out\n');
  await shows(/heard you/);
  assert.equal((await heard[0])?.toString(), 'hello\n');
  await runsCommands(vm);
  await vm.reboot({ deadlineMs: PATIENCE_MS });
  await shows(/Linux version[^]*\/ # /);
  await vm.shutdown({ deadlineMs: PATIENCE_MS });
  assert.deepEqual(await vm.ended, { kind: 'off' });
});
