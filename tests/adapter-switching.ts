/**
 * The stock hv_netvsc of a guest with two processors, and stock ethtool in it: several channels, receive-side scaling,
 * coalescing, everything that can be switched, and adapters that come and go, while frames flow.
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { GuestImage } from './guest.ts';
import { extendInitramfs } from './initramfs.ts';
import { MachineGuest } from './machine-guest.ts';
import { NetworkPeer } from './network-peer.ts';
import { packagedPrograms } from './program-files.ts';

const BOOT_MS = 300_000;
const COMMAND_MS = 120_000;
const COMPLAINTS = /WARNING:|lockup|watchdog: BUG|Oops|Call Trace|hv_netvsc.*(invalid|unknown|fail|too big|wrong)/i;
const GIFT_PORT = 5000;
const GIFT = Uint8Array.from({ length: 2 ** 20 }, (_, i) => (i * 31) >> 3);
const LARGE_PIECE = 20_000;
/** What ethtool can switch on this adapter. */
const FEATURES = ['lro', 'gro', 'gso', 'tso', 'sg', 'rx', 'tx', 'rxhash'];
const ADAPTER_ROUNDS = 3;
const KEY = Array.from({ length: 40 }, (_, i) => (i * 37 + 11 & 0xff).toString(16).padStart(2, '0')).join(':');

const sum = createHash('md5').update(GIFT).digest('hex');

async function booted(image: GuestImage, folder: string, peer: NetworkPeer): Promise<MachineGuest> {
  const initrd = join(folder, 'initrd');
  extendInitramfs(image.initrd, await packagedPrograms('ethtool', ['sbin/ethtool']), initrd);
  peer.gifts.set(GIFT_PORT, GIFT);
  const guest = await MachineGuest.start({
    kernel: image.kernel, initrd, commandLine: `${image.commandLine} partout.address=none`, processors: 2,
    nics: [{ network: 'test' }],
  }, { connectNetwork: (_nic, index) => index === 0 ? peer : new NetworkPeer([10, 9, 7, 1]) });
  await guest.prompt(BOOT_MS);
  await guest.run('dmesg -n 1; ip addr add 10.9.8.2/24 dev eth0; ip link set eth0 up', COMMAND_MS);
  return guest;
}

/** A stream to the guest comes through whole. */
async function streams(guest: MachineGuest, what: string): Promise<void> {
  const output = await guest.run(`nc 10.9.8.1 ${GIFT_PORT} | md5sum`, COMMAND_MS);
  assert.match(output, new RegExp(`^${sum} `, 'm'), what);
}

async function counter(guest: MachineGuest, name: string): Promise<number> {
  const output = await guest.run(`ethtool -S eth0 | grep " ${name}:"`, COMMAND_MS);
  return Number(/: (\d+)/.exec(output)?.[1] ?? assert.fail(output));
}

/** Boots the tiny image with what is needed in `folder`, and switches whatever there is to switch. */
export async function switchEverything(image: GuestImage, folder: string): Promise<void> {
  const peer = new NetworkPeer([10, 9, 8, 1]);
  await using guest = await booted(image, folder, peer);
  assert.match(await guest.run('ethtool -l eth0 | grep Combined', COMMAND_MS), /^(Combined:\s+2\s+){2}$/);
  await scaling(guest);
  await guest.run('{ while :; do ping -c 1 -W 1 10.9.8.1; done > /dev/null 2>&1 & }', COMMAND_MS);
  await coalescing(guest, peer);
  for (const feature of FEATURES) {
    for (const setting of ['off', 'on']) {
      const { length } = await guest.run(`ethtool -K eth0 ${feature} ${setting}; ethtool -k eth0 | wc -l`, COMMAND_MS);
      assert.ok(length > 0);
      await streams(guest, `${feature} ${setting}`);
    }
  }
  peer.pieceBytes = 1460;
  for (const change of [
    'ethtool -L eth0 combined 1', 'ip link set eth0 mtu 9000', 'ethtool -L eth0 combined 2',
    'ip link set eth0 mtu 1500', 'ip link set eth0 down; ip link set eth0 up',
    'ethtool -L eth0 combined 1', 'ethtool -L eth0 combined 2',
  ]) {
    const output = await guest.run(`${change} && echo it went well`, COMMAND_MS);
    assert.match(output, /^it went well$/m, `${change}: ${output}`);
    await streams(guest, change);
  }
  assert.match(await guest.run('ethtool -l eth0 | grep Combined', COMMAND_MS), /^(Combined:\s+2\s+){2}$/);
  await comeAndGo(guest);
  assert.doesNotMatch(await guest.run('dmesg', COMMAND_MS), COMPLAINTS);
  const [adapter] = guest.machine.network.adapters;
  assert.equal(adapter?.statistics.drops.transmitMalformed, 0);
  assert.equal(adapter?.statistics.drops.receiveMalformed, 0);
  assert.equal(peer.wrong, 0, 'every length and checksum was right');
}

/** A second adapter comes and goes in the middle of its traffic, and the first one's goes on. */
async function comeAndGo(guest: MachineGuest): Promise<void> {
  const { network } = guest.machine;
  for (let round = 0; round < ADAPTER_ROUNDS; round++) {
    const added = network.add({ network: 'test' });
    const up = 'until ip link set eth1 up; do sleep 0.1; done 2>/dev/null; ip addr add 10.9.7.2/24 dev eth1';
    assert.match(await guest.run(`${up}; ping -c 2 10.9.7.1`, COMMAND_MS), / 0% packet loss/);
    const before = added.statistics.receivedFrames;
    await guest.run('{ ping -A -w 60 10.9.7.1 > /dev/null 2>&1 & }', COMMAND_MS);
    await guest.until('frames come', () => added.statistics.receivedFrames > before + 10, COMMAND_MS);
    network.remove(added);
    await guest.run('while [ -e /sys/class/net/eth1 ]; do sleep 0.1; done', COMMAND_MS);
    await streams(guest, `adapter removed ${round}`);
  }
}

/** The table and the key decide which channel a flow comes on. */
async function scaling(guest: MachineGuest): Promise<void> {
  const flows = async (): Promise<[number, number]> => {
    const before = [await counter(guest, 'rx_queue_0_packets'), await counter(guest, 'rx_queue_1_packets')];
    const calls = Array.from({ length: 20 }, (_, i) => `nc 10.9.8.1 ${7000 + i} < /dev/null`).join('; ');
    await guest.run(calls, COMMAND_MS);
    const [first = 0, second = 0] = before;
    return [await counter(guest, 'rx_queue_0_packets') - first, await counter(guest, 'rx_queue_1_packets') - second];
  };
  await guest.run(`ethtool -X eth0 hkey ${KEY} equal 2`, COMMAND_MS);
  const shown = await guest.run('ethtool -x eth0', COMMAND_MS);
  assert.match(shown, /^\s+0:(\s+0\s+1){4}$/m);
  assert.match(shown, new RegExp(`^${KEY}$`, 'm'));
  const [even, odd] = await flows();
  assert.ok(even > 10 && odd > 10, `${even} and ${odd} frames`);
  await guest.run('ethtool -X eth0 weight 0 1', COMMAND_MS);
  const [none, all] = await flows();
  assert.ok(none < 10 && all > 50, `${none} and ${all} frames`);
  // A table of the user's would keep the kernel from having fewer channels.
  await guest.run('ethtool -X eth0 default', COMMAND_MS);
}

/** A large segment reaches the guest as one, or as its pieces. */
async function coalescing(guest: MachineGuest, peer: NetworkPeer): Promise<void> {
  peer.pieceBytes = LARGE_PIECE;
  const frames = async (setting: string): Promise<number> => {
    // What is so already is not said again.
    for (const each of [setting === 'on' ? 'off' : 'on', setting]) {
      await guest.run(`ethtool -K eth0 lro ${each}`, COMMAND_MS);
    }
    const statistics = guest.machine.network.adapters[0]?.statistics;
    const before = statistics?.receivedFrames ?? 0;
    await streams(guest, `coalescing ${setting}`);
    return (statistics?.receivedFrames ?? 0) - before;
  };
  const [whole, cut] = [await frames('on'), await frames('off')];
  assert.ok(whole < 200, `${whole} frames for ${GIFT.length} bytes`);
  assert.ok(cut > GIFT.length / 1460, `${cut} frames for ${GIFT.length} bytes`);
  await guest.run('ethtool -K eth0 lro on', COMMAND_MS);
}
