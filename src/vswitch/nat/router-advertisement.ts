/** What the gateway tells of itself and of its prefix [RFC 4861, 4.2; RFC 8106]. */
import {
  DomainsOption, Icmpv6Type, LinkOption, MtuOption, NeighbourOption, PrefixFlag, PrefixOption, ResolversOption,
  ROUTER_OTHER_BY_DHCP, RouterAdvertisement,
} from '../../protocols/icmpv6.ts';
import { writeMac } from '../packet/addresses.ts';
import type { Ipv6Network } from './ipv6-network.ts';

/** Between two that nobody asked for. */
export const ADVERTISEMENT_MS = 600_000;
const LIFETIME_SECONDS = 3 * ADVERTISEMENT_MS / 1000;
const VALID_SECONDS = 86_400;
const PREFERRED_SECONDS = 14_400;
const HOP_LIMIT = 64;
const UNIT = 8;

/** Writes an advertisement at `at`; its length. */
export function writeRouterAdvertisement(
  bytes: Uint8Array, at: number, { network, mac, mtu, domain, outside }: {
    network: Ipv6Network; mac: number; mtu: number; domain: string; outside: boolean;
  },
): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  RouterAdvertisement.encode(view, at, {
    type: Icmpv6Type.RouterAdvertisement, code: 0, checksum: 0, hopLimit: HOP_LIMIT, flags: ROUTER_OTHER_BY_DHCP,
    // Whoever leads nowhere is no default router.
    lifetimeSeconds: outside ? LIFETIME_SECONDS : 0, reachableMs: 0, retransmitMs: 0,
  });
  let end = at + RouterAdvertisement.$size;
  end = writeLinkOption(bytes, view, end, NeighbourOption.SourceLink, mac);
  MtuOption.encode(view, end, { type: NeighbourOption.Mtu, units: 1, reserved: 0, mtu });
  end += MtuOption.$size;
  PrefixOption.encode(view, end, {
    type: NeighbourOption.Prefix, units: PrefixOption.$size / UNIT, bits: 64,
    flags: PrefixFlag.OnLink | PrefixFlag.Autonomous, validSeconds: VALID_SECONDS,
    preferredSeconds: PREFERRED_SECONDS, reserved: 0, prefix: network.prefix,
  });
  end += PrefixOption.$size;
  ResolversOption.encode(view, end, {
    type: NeighbourOption.Resolvers, units: ResolversOption.$size / UNIT, reserved: 0,
    lifetimeSeconds: LIFETIME_SECONDS, address: network.gateway,
  });
  end += ResolversOption.$size;
  const name = domainName(domain);
  const nameBytes = Math.ceil(name.length / UNIT) * UNIT;
  DomainsOption.encode(view, end, {
    type: NeighbourOption.Domains, units: 1 + nameBytes / UNIT, reserved: 0, lifetimeSeconds: LIFETIME_SECONDS,
  });
  end += DomainsOption.$size;
  bytes.fill(0, end, end + nameBytes);
  bytes.set(name, end);
  return end + nameBytes - at;
}

/** Behind which it ends. */
export function writeLinkOption(bytes: Uint8Array, view: DataView, at: number, type: number, mac: number): number {
  LinkOption.encode(view, at, { type, units: 1 });
  writeMac(bytes, at + LinkOption.address.offset, mac);
  return at + LinkOption.$size;
}

/** Labels with their lengths, and a 0 [RFC 1035, 3.1]. */
export function domainName(domain: string): Uint8Array {
  const labels = domain.split('.').filter((label) => label !== '');
  return Uint8Array.from([...labels.flatMap((label) => [label.length, ...Buffer.from(label, 'latin1')]), 0]);
}
