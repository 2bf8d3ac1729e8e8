/** Addresses of a NAT network: a range that does not collide with what the host itself reaches. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { OperatingError } from '../../kit/errors.ts';
import { ipv4Text, parseIpv4 } from '../packet/addresses.ts';

export interface Subnet {
  readonly base: number;
  readonly mask: number;
}

/** Tried in this order: rarely used parts of the private ranges [RFC 1918]. */
const CANDIDATES = [
  '172.31.224.0/24', '172.27.96.0/24', '172.22.48.0/24', '192.168.137.0/24', '192.168.217.0/24', '10.213.57.0/24',
  '10.87.131.0/24', '10.171.203.0/24',
];

/** @throws OperatingError when the text is no range of 8 to 30 bits. */
export function parseSubnet(text: string): Subnet {
  const [address = '', bits = ''] = text.split('/');
  const ip = parseIpv4(address);
  const prefix = Number(bits);
  if (ip === undefined || !/^\d{1,2}$/.test(bits) || prefix < 8 || prefix > 30) {
    const right = 'give an address and a prefix of 8 to 30 bits, as in 10.1.2.0/24';
    throw new OperatingError('usage', `${text} is not a network: ${right}`);
  }
  const mask = (0xffff_ffff << (32 - prefix)) >>> 0;
  return { base: (ip & mask) >>> 0, mask };
}

export function contains(subnet: Subnet, ip: number): boolean {
  return ((ip & subnet.mask) >>> 0) === subnet.base;
}

export function overlaps(a: Subnet, b: Subnet): boolean {
  return contains(a, b.base) || contains(b, a.base);
}

/** @throws OperatingError when the host uses all of them. */
export function chooseSubnet(taken: readonly Subnet[]): Subnet {
  const free = CANDIDATES.map(parseSubnet).find((subnet) => !taken.some((each) => overlaps(subnet, each)));
  if (free !== undefined) return free;
  throw new OperatingError('host', 'the host has routes to every range that NAT could use: name one yourself');
}

/** What the host's interfaces and routes cover; the default route is none of it. */
export function hostSubnets(): Subnet[] {
  const found: Subnet[] = [];
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { family, address, netmask } of addresses ?? []) {
      const mask = parseIpv4(netmask);
      const ip = parseIpv4(address);
      if (family === 'IPv4' && mask !== undefined && ip !== undefined) found.push({ base: (ip & mask) >>> 0, mask });
    }
  }
  return [...found, ...routedSubnets()];
}

/** [Linux Documentation/filesystems/proc.rst, /proc/net/route]: little-endian hexadecimal in columns 2 and 8. */
function routedSubnets(): Subnet[] {
  let text = '';
  try {
    text = readFileSync('/proc/net/route', 'latin1');
  } catch {
    return [];
  }
  return text.split('\n').slice(1).flatMap((line) => {
    const columns = line.split('\t');
    const base = swapped(columns[1]);
    const mask = swapped(columns[7]);
    return base === undefined || mask === undefined || mask === 0 ? [] : [{ base, mask }];
  });
}

function swapped(hexadecimal: string | undefined): number | undefined {
  if (hexadecimal === undefined || !/^[0-9A-Fa-f]{8}$/.test(hexadecimal)) return undefined;
  return Number.parseInt(hexadecimal.match(/../g)!.reverse().join(''), 16);
}

export function subnetText({ base, mask }: Subnet): string {
  return `${ipv4Text(base)}/${32 - Math.round(Math.log2(0x1_0000_0000 - mask))}`;
}
