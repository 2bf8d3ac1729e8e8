/**
 * A seed for a system's first boot: a disc with the label "cidata" and the files of cloud-init's NoCloud data source,
 * which an installed Debian of ours reads as well as any cloud image (cloud-init documentation, "NoCloud").
 */

import { createHash } from 'node:crypto';
import { OperatingError } from '../kit/errors.ts';
import { HostFile } from '../storage/host-file.ts';
import { IsoWriter } from '../storage/iso9660/iso-writer.ts';
import { NewImage } from '../storage/new-image.ts';

export interface Seed {
  readonly hostname?: string | undefined;
  readonly user?: string | undefined;
  /** Of that user; without one he logs in by his keys alone. */
  readonly password?: string | undefined;
  /** Lines of an authorized_keys file (sshd(8)). */
  readonly sshKeys?: readonly string[];
  /** A fixed address with its prefix length; the guest asks for one otherwise. */
  readonly address?: string | undefined;
  readonly gateway?: string | undefined;
  readonly nameServers?: readonly string[];
  /** The whole of the user-data, in place of what the user, his password and his keys would say. */
  readonly userData?: string | undefined;
}

const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9-]{1,63})*$/;
const USER_NAME = /^[a-z_][a-z0-9_-]{0,31}$/;
const KEY = /^(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\n]*)?$/;
const ADDRESS = /^[0-9a-fA-F:.]+\/\d{1,3}$/;
const PLAIN_ADDRESS = /^[0-9a-fA-F:.]+$/;
const LABEL = 'cidata';

/** @throws OperatingError for what no system could be given, or when the file is there. */
export function writeSeed(path: string, seed: Seed, nowMs: number): void {
  checkSeed(seed);
  const files = seedFiles(seed);
  using image = new NewImage(path);
  const file = new HostFile(image.temporaryPath, { readOnly: false, create: true });
  try {
    const writer = new IsoWriter(file, { label: LABEL, modifiedMs: nowMs });
    for (const [name, text] of files) writer.addFile(name, Buffer.from(text));
    writer.finish();
    file.flushSync();
  } finally {
    file.closeSync();
  }
  image.commit();
}

/** The files by their names. What is text is quoted as JSON does it, which YAML reads. */
export function seedFiles(seed: Seed): Map<string, string> {
  const user = seed.userData ?? userDataOf(seed);
  const network = networkOf(seed);
  const identity = createHash('sha256').update(JSON.stringify([seed.hostname, user, network])).digest('hex');
  const meta = [`instance-id: ${JSON.stringify(`iid-${identity.slice(0, 16)}`)}`];
  if (seed.hostname !== undefined) meta.push(`local-hostname: ${JSON.stringify(seed.hostname)}`);
  const files = new Map([['meta-data', `${meta.join('\n')}\n`], ['user-data', user]]);
  if (network !== undefined) files.set('network-config', network);
  return files;
}

function userDataOf({ hostname, user, password, sshKeys = [] }: Seed): string {
  const lines = ['#cloud-config'];
  if (hostname !== undefined) lines.push(`hostname: ${JSON.stringify(hostname)}`);
  const indent = user === undefined ? '' : '    ';
  if (user !== undefined) {
    lines.push(
      'users:', `  - name: ${JSON.stringify(user)}`, '    shell: "/bin/bash"', '    groups: "sudo"',
      '    sudo: "ALL=(ALL) NOPASSWD:ALL"', `    lock_passwd: ${password === undefined}`,
    );
    if (password !== undefined) lines.push(`    plain_text_passwd: ${JSON.stringify(password)}`);
  }
  if (sshKeys.length > 0) {
    lines.push(`${indent}ssh_authorized_keys:`, ...sshKeys.map((key) => `${indent}  - ${JSON.stringify(key)}`));
  }
  return `${lines.join('\n')}\n`;
}

function networkOf({ address, gateway, nameServers = [] }: Seed): string | undefined {
  if (address === undefined) return undefined;
  const lines = [
    'version: 2', 'ethernets:', '  eth0:', '    match:', '      name: "e*"', '    dhcp4: false', '    addresses:',
    `      - ${JSON.stringify(address)}`,
  ];
  if (gateway !== undefined) lines.push(`    gateway${gateway.includes(':') ? 6 : 4}: ${JSON.stringify(gateway)}`);
  if (nameServers.length > 0) {
    const list = nameServers.map((server) => JSON.stringify(server)).join(', ');
    lines.push('    nameservers:', `      addresses: [${list}]`);
  }
  return `${lines.join('\n')}\n`;
}

function checkSeed(seed: Seed): void {
  const { hostname, user, password, sshKeys = [], address, gateway, nameServers = [], userData } = seed;
  check(hostname, HOST_NAME, 'no host name: letters, digits and dashes are right');
  check(user, USER_NAME, "no user's name: small letters, digits, dashes and underscores are right");
  check(address, ADDRESS, 'no address with a prefix length: such as 10.0.0.2/24 is right');
  for (const key of sshKeys) check(key, KEY, 'no line of an SSH public key: such as "ssh-ed25519 AAAA… name" is right');
  for (const each of [gateway, ...nameServers]) check(each, PLAIN_ADDRESS, 'no address: such as 10.0.0.1 is right');
  if (address === undefined && (gateway !== undefined || nameServers.length > 0)) {
    throw new OperatingError('usage', 'a gateway and name servers go with a fixed address: give that, too');
  }
  if (password !== undefined && user === undefined) {
    throw new OperatingError('usage', 'a password is for a user: name one');
  }
  if (userData !== undefined && (user !== undefined || sshKeys.length > 0)) {
    throw new OperatingError('usage', 'user-data of your own says which users there are: give one or the other');
  }
}

function check(value: string | undefined, pattern: RegExp, what: string): void {
  if (value === undefined || pattern.test(value)) return;
  throw new OperatingError('usage', `${JSON.stringify(value.slice(0, 80))} is ${what}`);
}
