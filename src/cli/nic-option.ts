/**
 * `--nic` of `partout boot`: what a guest's network adapters are on. `nat` takes `mac=` and `forward=`; a switch takes
 * `mac=`, `name=`, `vlan=` and `forward=`.
 */

import { OperatingError, usage } from '../kit/errors.ts';
import { parseMacAddress } from '../kit/mac-address.ts';
import { forwardOf } from './forward-option.ts';
import {
  type ForwardDescription, MAXIMUM_FORWARDS, MAXIMUM_NICS, type NicDescription,
} from '../machine/description.ts';

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

const FORM = '--nic is NETWORK or NETWORK,mac=ADDRESS,name=NAME,vlan=NUMBER';

function nicOf(value: string): NicDescription {
  const [network = '', ...options] = value.split(',');
  const given: { mac?: string; name?: string; vlan?: string } = {};
  const forwards: ForwardDescription[] = [];
  for (const option of options) {
    if (option.startsWith('forward=')) {
      forwards.push(forwardOf(option.slice('forward='.length)));
      continue;
    }
    const [, key, text = ''] = /^(mac|name|vlan)=(.+)$/.exec(option) ?? [];
    if (key === undefined || Object.hasOwn(given, key)) throw usage(`${FORM}, not ${value}`);
    given[key as 'mac' | 'name' | 'vlan'] = text;
  }
  const { mac, name, vlan } = given;
  if (network === '') throw usage(`${FORM}, not ${JSON.stringify(value)}`);
  if (forwards.length > MAXIMUM_FORWARDS) throw usage(`a NIC has at most ${MAXIMUM_FORWARDS} forwards`);
  if (network === NAT && (name ?? vlan) !== undefined) throw usage(`a NIC behind NAT has no name or VLAN: ${value}`);
  if (mac !== undefined && parseMacAddress(mac) === undefined) {
    throw usage(`mac= is the address of one station such as 00-15-5d-00-00-01, not ${mac}`);
  }
  if (name !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) {
    throw usage(`name= is letters, digits, dots and dashes, not ${name}`);
  }
  return {
    network,
    ...(mac === undefined ? {} : { mac: mac.toLowerCase().replaceAll(':', '-') }),
    ...(name === undefined ? {} : { name }),
    ...(network === NAT && forwards.length > 0 ? { forwards } : {}),
    ...(network === NAT || (forwards.length === 0 && vlan === undefined) ? {} : { settings: {
      ...(vlan === undefined ? {} : { vlan: { kind: 'access' as const, id: vlanOf(vlan) } }),
      ...(forwards.length === 0 ? {} : { forwards }),
    } }),
  };
}

function vlanOf(text: string): number {
  const id = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (id >= 1 && id <= 4094) return id;
  throw usage(`vlan= is a number from 1 to 4094, not ${text}`);
}
