/**
 * What a switch and the NICs on it are set to, as it lies in a file: plain JSON that a person can read. Whoever reads
 * one checks every value; a value that makes no sense is named in a sentence.
 */
import { usage } from '../../kit/errors.ts';
import { MAXIMUM_VLAN_ID } from '../../protocols/ethernet.ts';
import { DEFAULT_POLICY, type NicPolicy } from '../switch/nic-policy.ts';
import type { VlanMode } from '../switch/vlan.ts';

export const CONFIGURATION_VERSION = 1;
/** Private: VMs only. Internal: and the host. External: and a physical network of the host. */
export const SWITCH_TYPES = ['private', 'internal', 'external'] as const;
export type SwitchType = (typeof SWITCH_TYPES)[number];

/** As `Set-VMNetworkAdapter` and `Set-VMNetworkAdapterVlan` call it. */
/** A port of the host's loopback that reaches one of a NIC's guest. */
export interface NicForward {
  readonly protocol: 'tcp' | 'udp';
  readonly hostPort: number;
  readonly guestPort: number;
}

export interface NicSettings extends NicPolicy {
  readonly vlan: VlanMode;
  readonly mirror: 'none' | 'source' | 'destination';
  /** On an internal switch whose host is a user-mode network. */
  readonly forwards: readonly NicForward[];
}

export interface SwitchConfiguration {
  readonly version: typeof CONFIGURATION_VERSION;
  readonly name: string;
  readonly type: SwitchType;
  /** The host's interface that an external switch is bound to. */
  readonly adapter?: string;
  /** Of an external switch: the host has a port of its own. */
  readonly allowManagement: boolean;
  /** What differs from the defaults, by the name of the NIC. */
  readonly nics: Readonly<Record<string, Partial<NicSettings>>>;
}

export const DEFAULT_NIC_SETTINGS: NicSettings = {
  ...DEFAULT_POLICY, vlan: { kind: 'untagged' }, mirror: 'none', forwards: [],
};

/** Also the name of a file, and of an interface of the host in part. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$/;
const RESERVED = ['nat', 'none'];
const NIC_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** [linux/if.h] IFNAMSIZ less the NUL. */
const INTERFACE_NAME = /^[^\s/:]{1,15}$/;
const MAXIMUM_NICS = 4096;
const MAXIMUM_FORWARDS = 64;

export function checkSwitchName(name: string): string {
  if (RESERVED.includes(name)) throw usage(`${name} is the name of a network that is always there: choose another`);
  if (NAME.test(name)) return name;
  throw usage(`a switch's name is letters, digits, spaces, dots and dashes, at most 63, not ${JSON.stringify(name)}`);
}

export function checkNicName(name: string): string {
  if (NIC_NAME.test(name)) return name;
  throw usage(`a NIC's name is letters, digits, dots and dashes, at most 63, not ${JSON.stringify(name)}`);
}

/**
 * A configuration out of what a file holds.
 * @throws OperatingError that says which value is wrong.
 */
export function readConfiguration(value: unknown): SwitchConfiguration {
  const { version, name, type, adapter, allowManagement = true, nics = {} } = record(value, 'a switch');
  if (version !== CONFIGURATION_VERSION) {
    throw usage(`the version of a switch's configuration is ${CONFIGURATION_VERSION}, not ${shown(version)}`);
  }
  if (!isOneOf(SWITCH_TYPES, type)) throw usage(`a switch is ${SWITCH_TYPES.join(', ')}, not ${shown(type)}`);
  if (typeof allowManagement !== 'boolean') throw usage('allowManagement is true or false');
  if (adapter !== undefined && (typeof adapter !== 'string' || !INTERFACE_NAME.test(adapter))) {
    throw usage(`an adapter is the name of an interface of the host such as eth0, not ${shown(adapter)}`);
  }
  if ((type === 'external') !== (adapter !== undefined)) {
    throw usage(type === 'external' ? 'an external switch needs an adapter of the host' :
      `only an external switch has an adapter of the host, and this one is ${type}`);
  }
  const entries = Object.entries(record(nics, 'nics'));
  if (entries.length > MAXIMUM_NICS) throw usage(`a switch knows the settings of at most ${MAXIMUM_NICS} NICs`);
  const settings = entries.map(([each, given]) => [checkNicName(each), readNicSettings(given)] as const);
  return {
    version: CONFIGURATION_VERSION, name: checkSwitchName(typeof name === 'string' ? name : ''), type,
    ...(adapter === undefined ? {} : { adapter }), allowManagement, nics: Object.fromEntries(settings),
  };
}

/** Settings of a NIC, those alone that are given. */
export function readNicSettings(value: unknown): Partial<NicSettings> {
  const settings: Record<string, unknown> = {};
  for (const [name, given] of Object.entries(record(value, 'the settings of a NIC'))) {
    const check = CHECKS[name as keyof NicSettings];
    if (!Object.hasOwn(CHECKS, name) || check === undefined) throw usage(`a NIC has no setting ${shown(name)}`);
    settings[name] = check(given, name);
  }
  return settings;
}

const CHECKS: { readonly [K in keyof NicSettings]: (value: unknown, name: string) => NicSettings[K] } = {
  vlan: readVlan,
  mirror: (value) => {
    if (isOneOf(['none', 'source', 'destination'] as const, value)) return value;
    throw usage(`mirror is none, source or destination, not ${shown(value)}`);
  },
  forwards: (value) => {
    if (Array.isArray(value) && value.length <= MAXIMUM_FORWARDS) return value.map(readForward);
    throw usage(`forwards are a list of at most ${MAXIMUM_FORWARDS}, not ${shown(value)}`);
  },
  macSpoofing: flag,
  dhcpGuard: flag,
  routerGuard: flag,
  priorityTag: flag,
  stormLimit: count,
  maximumBandwidth: count,
};

function flag(value: unknown, name: string): boolean {
  if (typeof value === 'boolean') return value;
  throw usage(`${name} is true or false, not ${shown(value)}`);
}

function count(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw usage(`${name} is a whole number, 0 for no limit, not ${shown(value)}`);
}

function readForward(value: unknown): NicForward {
  const { protocol, hostPort, guestPort } = record(value, 'a forward');
  if (isOneOf(['tcp', 'udp'] as const, protocol) && isPort(hostPort) && isPort(guestPort)) {
    return { protocol, hostPort, guestPort };
  }
  throw usage(`a forward is tcp or udp, a port of the host and one of the guest, not ${shown(value)}`);
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

function readVlan(value: unknown): VlanMode {
  const mode = record(value, 'vlan');
  switch (mode['kind']) {
    case 'untagged': return { kind: 'untagged' };
    case 'access': return { kind: 'access', id: vlanId(mode['id']) };
    case 'trunk': return { kind: 'trunk', native: nativeId(mode['native']), allowed: vlanIds(mode['allowed']) };
    case 'isolated':
    case 'community':
      return { kind: mode['kind'], primary: vlanId(mode['primary']), secondary: vlanId(mode['secondary']) };
    case 'promiscuous':
      return { kind: 'promiscuous', primary: vlanId(mode['primary']), secondaries: vlanIds(mode['secondaries']) };
    default:
      throw usage(`vlan is untagged, access, trunk, isolated, community or promiscuous, not ${shown(mode['kind'])}`);
  }
}

function vlanId(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAXIMUM_VLAN_ID) return value;
  throw usage(`a VLAN is a number from 1 to ${MAXIMUM_VLAN_ID}, not ${shown(value)}`);
}

/** 0: untagged frames are on no VLAN. */
function nativeId(value: unknown): number {
  return value === 0 ? 0 : vlanId(value);
}

function vlanIds(value: unknown): number[] {
  if (!Array.isArray(value) || value.length > MAXIMUM_VLAN_ID) throw usage('a list of VLANs is an array of numbers');
  return [...new Set(value.map(vlanId))].sort((a, b) => a - b);
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw usage(`${what} is an object, not ${shown(value)}`);
}

function isOneOf<T extends string>(values: readonly T[], value: unknown): value is T {
  return (values as readonly unknown[]).includes(value);
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 60);
}
