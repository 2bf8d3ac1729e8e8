/** What a guest's daemon says of it, with the names that a program wants. */

export interface GuestFacts {
  /** The guest's full host name. */
  readonly name: string;
  /** The release of its kernel, as `uname -r` has it. */
  readonly kernel: string;
  readonly operatingSystem: string;
  /** Every IPv4 and IPv6 address of the guest but those of its loopback. */
  readonly addresses: readonly string[];
  /** All of it, as the guest names it. */
  readonly all: ReadonlyMap<string, string>;
}

export function guestFacts(all: ReadonlyMap<string, string>): GuestFacts {
  const text = (name: string): string => all.get(name) ?? '';
  const lists = [text('NetworkAddressIPv4'), text('NetworkAddressIPv6')];
  return {
    name: text('FullyQualifiedDomainName'),
    kernel: text('OSBuildNumber'),
    operatingSystem: [text('OSName'), text('OSMajorVersion')].filter((part) => part !== '').join(' '),
    addresses: lists.flatMap((list) => list.split(';')).filter((address) => address !== ''),
    all,
  };
}
