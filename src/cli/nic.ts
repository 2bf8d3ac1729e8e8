/** `partout nic …`: what the port of a NIC lets it do, in Hyper-V's terms. It holds at once. */

import type { Switches } from '../host/switches.ts';
import { usage } from '../kit/errors.ts';
import type { Command, Invocation, Option } from './command.ts';
import { STATUS } from './endings.ts';
import { openSwitches } from './open-switches.ts';
import { forwardOf } from './forward-option.ts';
import { JSON_OPTION, table, writeData } from './output.ts';

const SWITCH = { name: 'SWITCH', summary: 'the name of a switch' };
const NIC = { name: 'NIC', summary: 'the name of a NIC, as in --nic SWITCH,name=NIC' };

/** Options that are on or off, by the names of the settings. */
const FLAGS = {
  'mac-spoofing': 'macSpoofing', 'dhcp-guard': 'dhcpGuard', 'router-guard': 'routerGuard',
  'priority-tag': 'priorityTag',
} as const;
const COUNTS = { 'storm-limit': 'stormLimit', 'maximum-bandwidth': 'maximumBandwidth' } as const;

const OPTIONS: readonly Option[] = [
  { name: 'vlan', value: 'MODE', summary: 'untagged, access:N, trunk:NATIVE:N,N…, isolated:PRIMARY:N, ' +
    'community:PRIMARY:N or promiscuous:PRIMARY:N,N…' },
  { name: 'mac-spoofing', value: 'on|off', summary: 'it may send from other addresses than its own (off)' },
  { name: 'dhcp-guard', value: 'on|off', summary: 'what only a DHCP server sends is dropped (off)' },
  { name: 'router-guard', value: 'on|off', summary: 'router advertisements and redirects are dropped (off)' },
  { name: 'priority-tag', value: 'on|off', summary: '802.1p priorities pass; otherwise they become 0 (off)' },
  { name: 'storm-limit', value: 'FRAMES', summary: 'broadcasts and unknown unicasts in a second; 0 for no limit' },
  { name: 'maximum-bandwidth', value: 'BITS', summary: 'bits that it may send in a second; 0 for no limit' },
  { name: 'forward', value: 'tcp|udp:HOSTPORT:GUESTPORT', repeatable: true, summary: "a port of the host's loopback " +
    'reaches the guest, where an internal switch has no interface; none for no forward' },
  { name: 'mirror', value: 'none|source|destination', summary: 'what sources send and get is copied to destinations' },
  JSON_OPTION,
];

const set: Command = {
  words: ['nic', 'set'],
  summary: 'Set what a NIC on a switch may do',
  operands: [SWITCH, NIC],
  options: OPTIONS,
  run: async (invocation) => {
    const change = changeOf(invocation);
    const [name = '', nic = ''] = invocation.operands;
    const { nics } = await (await openSwitches()).setNic(name, nic, change);
    await writeData(invocation, nics[nic], () => '');
    return STATUS.done;
  },
};

const list: Command = {
  words: ['nic', 'list'],
  summary: 'List the NICs that are on a switch, or set for it',
  operands: [SWITCH],
  options: [JSON_OPTION],
  run: async (invocation) => {
    const { ports = [], nics } = await (await openSwitches()).show(invocation.operands[0] ?? '');
    const absent = Object.keys(nics).filter((name) => !ports.some(({ nic }) => nic === name));
    const rows = [
      ...ports.map(({ nic, state, mac = '' }) => ({ nic, state, mac, settings: nics[nic] ?? {} })),
      ...absent.map((nic) => ({ nic, state: 'absent', mac: '', settings: nics[nic] ?? {} })),
    ];
    await writeData(invocation, rows, () => rows.length === 0 ? '' : table(
      ['NIC', 'STATE', 'ADDRESS', 'SETTINGS'],
      rows.map(({ nic, state, mac, settings }) => [nic, state, mac, settingsText(settings)])));
    return STATUS.done;
  },
};

export const nicCommands: readonly Command[] = [set, list];

type Change = Parameters<Switches['setNic']>[2];

function changeOf(invocation: Invocation): Change {
  const change: Record<string, unknown> = {};
  for (const [option, setting] of Object.entries(FLAGS)) {
    const text = invocation.value(option);
    if (text === undefined) continue;
    if (text !== 'on' && text !== 'off') throw usage(`--${option} is on or off, not ${text}`);
    change[setting] = text === 'on';
  }
  for (const [option, setting] of Object.entries(COUNTS)) {
    const text = invocation.value(option);
    if (text === undefined) continue;
    if (!/^\d{1,15}$/.test(text)) throw usage(`--${option} is a whole number, 0 for no limit, not ${text}`);
    change[setting] = Number(text);
  }
  const [vlan, mirror] = [invocation.value('vlan'), invocation.value('mirror')];
  const forwards = invocation.values('forward');
  if (forwards.length > 0) change['forwards'] = forwards[0] === 'none' ? [] : forwards.map(forwardOf);
  if (vlan !== undefined) change['vlan'] = vlanMode(vlan);
  if (mirror !== undefined) change['mirror'] = mirror;
  if (Object.keys(change).length === 0) throw usage('partout nic set needs something to set, such as --vlan access:10');
  return change;
}

function vlanMode(text: string): Change['vlan'] {
  const [kind, first = '', second = ''] = text.split(':');
  const numbers = second.split(',').map(Number);
  const isNumbers = /^\d+$/.test(first) && /^\d+(,\d+)*$/.test(second);
  if (text === 'untagged') return { kind: 'untagged' };
  if (kind === 'access' && /^\d+$/.test(first) && second === '') return { kind, id: Number(first) };
  if (kind === 'trunk' && isNumbers) return { kind, native: Number(first), allowed: numbers };
  if ((kind === 'isolated' || kind === 'community') && isNumbers && numbers.length === 1) {
    return { kind, primary: Number(first), secondary: numbers[0] as number };
  }
  if (kind === 'promiscuous' && isNumbers) return { kind, primary: Number(first), secondaries: numbers };
  throw usage('--vlan is untagged, access:N, trunk:NATIVE:N,N, isolated:PRIMARY:N, community:PRIMARY:N ' +
    `or promiscuous:PRIMARY:N,N, not ${text}`);
}

function settingsText(settings: object): string {
  return Object.entries(settings).map(([name, value]) => `${name} ${settingText(value)}`).join(', ');
}

function settingText(value: unknown): string {
  if (Array.isArray(value)) return value.map(settingText).join(' ');
  return typeof value === 'object' ? Object.values(value as object).join(':') : String(value);
}
