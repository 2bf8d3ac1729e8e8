/** `--nic NETWORK[,mac=ADDRESS]` of `partout boot`: what a guest's network adapters are plugged into. */

import { OperatingError } from '../kit/errors.ts';
import { parseMacAddress } from '../kit/mac-address.ts';
import { MAXIMUM_NICS, type NicDescription } from '../machine/description.ts';

const NONE = 'none';
const NAT = 'nat';

export function nicsOf(values: readonly string[]): NicDescription[] {
  // Like a computer that was just bought, a guest has a network unless it is told otherwise.
  if (values.length === 0) return [{ network: NAT }];
  const nics = values.filter((value) => value !== NONE).map(nicOf);
  if (nics.length > MAXIMUM_NICS) {
    throw new OperatingError('unsupported', `a guest has at most ${MAXIMUM_NICS} NICs, and ${nics.length} were given`);
  }
  const twice = nics.find(({ mac }, index) => mac !== undefined && nics.findIndex((nic) => nic.mac === mac) < index);
  if (twice !== undefined) {
    throw new OperatingError('usage', `two NICs have the address ${twice.mac}: give each one of its own`);
  }
  return nics;
}

function nicOf(value: string): NicDescription {
  const [network = '', ...options] = value.split(',');
  if (network !== NAT) {
    throw new OperatingError('unsupported', `--nic ${network} is not there yet: say --nic nat or --nic none`);
  }
  let mac: string | undefined;
  for (const option of options) {
    const [, text] = /^mac=(.*)$/.exec(option) ?? [];
    if (text === undefined || mac !== undefined) {
      throw new OperatingError('usage', `--nic is NETWORK or NETWORK,mac=ADDRESS, not ${value}`);
    }
    if (parseMacAddress(text) === undefined) {
      throw new OperatingError('usage', `mac= is the address of one station such as 00-15-5d-00-00-01, not ${text}`);
    }
    mac = text.toLowerCase().replaceAll(':', '-');
  }
  return { network, ...(mac === undefined ? {} : { mac }) };
}
