/** `partout switch …`: virtual switches, which VMs are on by `--nic SWITCH`. */

import { createWriteStream } from 'node:fs';
import type { PortStatus, SwitchStatus, Switches } from '../host/switches.ts';
import { usage } from '../kit/errors.ts';
import type { Command, Invocation, Option } from './command.ts';
import { STATUS } from './endings.ts';
import { openSwitches } from './open-switches.ts';
import { JSON_OPTION, say, table, writeData } from './output.ts';

const NAME = { name: 'NAME', summary: 'of a switch' };
const NIC = { name: 'NIC', summary: 'the name of a NIC on it' };
const SETTINGS: readonly Option[] = [
  { name: 'type', value: 'TYPE', summary: 'private (VMs alone), internal (and the host), external (and its network)' },
  { name: 'adapter', value: 'INTERFACE', summary: "the host's interface of an external switch" },
  { name: 'allow-management', value: 'yes|no', summary: 'whether the host has a port on an external switch: yes' },
];
const MAX_VLAN = 4095;
const POINTS = ['ingress', 'egress', 'drop'] as const;

const create: Command = {
  words: ['switch', 'new'],
  summary: 'Make a switch; it is private unless told otherwise',
  operands: [{ name: 'NAME', summary: 'letters, digits, dots and dashes' }],
  options: [...SETTINGS, JSON_OPTION],
  run: async (invocation) => {
    const made = await (await openSwitches()).create({ name: invocation.operands[0] ?? '', ...settingsOf(invocation) });
    await writeData(invocation, made, () => '');
    return STATUS.done;
  },
};

const list: Command = {
  words: ['switch', 'list'],
  summary: 'List the switches',
  operands: [],
  options: [JSON_OPTION],
  run: async (invocation) => {
    const all = (await openSwitches()).list();
    await writeData(invocation, all, () => all.length === 0 ? '' : table(
      ['NAME', 'TYPE', 'ADAPTER'], all.map(({ name, type, adapter = '' }) => [name, type, adapter])));
    if (all.length === 0 && !invocation.has('json')) say("no switch yet: 'partout switch new NAME' makes one");
    return STATUS.done;
  },
};

const show: Command = {
  words: ['switch', 'show'],
  summary: 'Show a switch: who is on it, and behind which NIC which address is',
  operands: [NAME],
  options: [JSON_OPTION],
  run: async (invocation) => {
    const status = await (await openSwitches()).show(invocation.operands[0] ?? '');
    await writeData(invocation, status, () => shown(status));
    return STATUS.done;
  },
};

const set: Command = {
  words: ['switch', 'set'],
  summary: 'Change a switch, also while VMs are on it',
  operands: [NAME],
  options: [...SETTINGS, JSON_OPTION],
  run: async (invocation) => {
    const changed = await (await openSwitches()).set(invocation.operands[0] ?? '', settingsOf(invocation));
    await writeData(invocation, changed, () => '');
    return STATUS.done;
  },
};

const remove: Command = {
  words: ['switch', 'remove'],
  summary: 'Remove a switch; NICs that are on it lose their link',
  operands: [NAME],
  options: [],
  run: async (invocation) => {
    await (await openSwitches()).remove(invocation.operands[0] ?? '');
    return STATUS.done;
  },
};

const trace: Command = {
  words: ['switch', 'trace'],
  summary: 'Tell which steps a frame from a NIC would take, and why; nothing is sent',
  operands: [NAME, NIC],
  options: [
    { name: 'to', value: 'MAC', summary: 'where the frame goes', fallback: 'ff-ff-ff-ff-ff-ff' },
    { name: 'from', value: 'MAC', summary: "where it comes from; the NIC's own address when absent" },
    { name: 'vlan', value: 'NUMBER', summary: 'the VLAN of its tag; without, it has none' },
    { name: 'frame', value: 'HEX', summary: 'the whole frame, in place of the others' },
    JSON_OPTION,
  ],
  run: async (invocation) => {
    const [name = '', nic = ''] = invocation.operands;
    const switches = await openSwitches();
    const steps = await switches.trace(name, nic, await frameOf(invocation, switches, name, nic));
    await writeData(invocation, steps, () => steps.join('\n'));
    return STATUS.done;
  },
};

const capture: Command = {
  words: ['switch', 'capture'],
  summary: 'Write frames to a pcapng file until SIGINT, or for some seconds',
  operands: [NAME, { name: 'FILE', summary: 'where to; - is standard output' }],
  options: [
    { name: 'nic', value: 'NIC', summary: 'only where this NIC is concerned' },
    { name: 'point', value: 'POINT', summary: 'ingress, egress or drop; all when absent', repeatable: true },
    { name: 'seconds', value: 'NUMBER', summary: 'stop after so many' },
  ],
  run: runCapture,
};

const stats: Command = {
  words: ['switch', 'stats'],
  summary: 'Print what each NIC sent and got, and what was dropped for which reason',
  operands: [NAME],
  options: [JSON_OPTION],
  run: async (invocation) => {
    const { ports = [] } = await (await openSwitches()).show(invocation.operands[0] ?? '');
    await writeData(invocation, ports.map(({ nic, counters }) => ({ nic, ...counters })), () => figures(ports));
    return STATUS.done;
  },
};

export const switchCommands: readonly Command[] = [create, list, show, set, remove, trace, capture, stats];

function settingsOf(invocation: Invocation): { type?: string; adapter?: string; allowManagement?: boolean } {
  const [type, adapter, management] =
    ['type', 'adapter', 'allow-management'].map((name) => invocation.value(name));
  if (management !== undefined && management !== 'yes' && management !== 'no') {
    throw usage(`--allow-management is yes or no, not ${management}`);
  }
  return {
    ...(type === undefined ? {} : { type }), ...(adapter === undefined ? {} : { adapter }),
    ...(management === undefined ? {} : { allowManagement: management === 'yes' }),
  };
}

function shown(status: SwitchStatus): string {
  const { name, type, adapter, ports = [], addresses = [], host = [] } = status;
  const lines = [`name     ${name}`, `type     ${type}`];
  if (adapter !== undefined) lines.push(`adapter  ${adapter}`);
  for (const { port, kind, interface: link, gateway, forwards = [], reason } of host) {
    lines.push(`${port.padEnd(9)}${[kind, link, gateway, reason].filter((each) => each !== undefined).join(' ')}`);
    for (const { protocol, hostPort, nic, guestPort, reason: failure } of forwards) {
      const line = `forward  ${protocol} ${hostPort} to ${nic}:${guestPort}`;
      lines.push(failure === undefined ? line : `${line}: ${failure}`);
    }
  }
  if (ports.length > 0) {
    const rows = ports.map(({ nic, state, mac = '', vlan, mirror }) => [nic, state, mac, vlan, mirror]);
    lines.push('', table(['NIC', 'STATE', 'ADDRESS', 'VLAN', 'MIRROR'], rows));
  }
  if (addresses.length > 0) {
    const rows = addresses.map(({ mac, vlan, nic, ageSeconds }) =>
      [mac, String(vlan), nic, ageSeconds === undefined ? 'its own' : `${ageSeconds} s`]);
    lines.push('', table(['ADDRESS', 'VLAN', 'NIC', 'AGE'], rows));
  }
  return lines.join('\n');
}

function figures(ports: readonly PortStatus[]): string {
  if (ports.length === 0) return '';
  const headings = ['NIC', 'FRAMES IN', 'BYTES IN', 'FRAMES OUT', 'BYTES OUT', 'DROPPED'];
  return table(headings, ports.map(({ nic, counters }) => {
    const drops = Object.entries(counters.drops).map(([cause, count]) => `${cause} ${count}`).join(', ');
    const { framesIn, bytesIn, framesOut, bytesOut } = counters;
    return [nic, ...[framesIn, bytesIn, framesOut, bytesOut].map(String), drops];
  }));
}

async function frameOf(invocation: Invocation, switches: Switches, name: string, nic: string): Promise<Uint8Array> {
  const hex = invocation.value('frame');
  if (hex !== undefined) {
    if (!/^([0-9a-f]{2})+$/i.test(hex)) throw usage('--frame is bytes in hexadecimal');
    return Buffer.from(hex, 'hex');
  }
  const { plainFrame } = await import('../host/switches.ts');
  const destination = invocation.value('to') ?? '';
  // Refused before anybody is asked for the other address.
  plainFrame({ destination, source: destination });
  const source = invocation.value('from') ?? (await switches.show(name)).ports?.find((port) => port.nic === nic)?.mac;
  const vlan = invocation.value('vlan');
  if (vlan !== undefined && !(/^\d{1,4}$/.test(vlan) && Number(vlan) <= MAX_VLAN)) {
    throw usage(`--vlan is a number up to ${MAX_VLAN}, not ${vlan}`);
  }
  return plainFrame({
    destination, source: source ?? '00-00-00-00-00-00', ...(vlan === undefined ? {} : { vlan: Number(vlan) }),
  });
}

async function runCapture(invocation: Invocation): Promise<number> {
  const [name = '', file = ''] = invocation.operands;
  const given = invocation.values('point');
  const wrong = given.find((point) => !(POINTS as readonly string[]).includes(point));
  if (wrong !== undefined) throw usage(`--point is ${POINTS.join(', ')}, not ${wrong}`);
  const seconds = invocation.value('seconds');
  if (seconds !== undefined && !(/^\d{1,6}(\.\d+)?$/.test(seconds) && Number(seconds) > 0)) {
    throw usage(`--seconds is a number such as 10, not ${seconds}`);
  }
  const points = POINTS.filter((point) => given.length === 0 || given.includes(point));
  const target = file === '-' ? process.stdout : createWriteStream(file);
  const stopped = new Promise<void>((resolve, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
    if (seconds !== undefined) setTimeout(resolve, Number(seconds) * 1000);
    target.once('error', reject);
    target.once('close', resolve);
  });
  let end!: () => void;
  const ended = new Promise<void>((resolve) => { end = resolve; });
  const socket = await (await openSwitches()).capture(
    name, { nic: invocation.value('nic'), points }, (bytes) => { target.write(bytes.slice()); }, end);
  await Promise.race([stopped, ended]);
  socket.destroy();
  if (file !== '-') await new Promise<void>((resolve) => { target.end(resolve); });
  return STATUS.done;
}
