/**
 * The virtual switches of a user, as whoever manages them sees them: files while nobody uses them, and the switch
 * process while somebody does. Every change holds at once for the VMs that are on a switch.
 */
import type { Socket } from 'node:net';
import { OperatingError } from '../kit/errors.ts';
import type { CapturePoint } from '../vswitch/switch/extension.ts';
import { ask, capture } from '../vswitch/service/ask.ts';
import {
  checkSwitchName, CONFIGURATION_VERSION, type NicSettings, readConfiguration, type SwitchConfiguration,
} from '../vswitch/service/configuration.ts';
import type { Query } from '../vswitch/service/requests.ts';
import { reachSwitches } from '../vswitch/service/start.ts';
import { SwitchDirectory } from '../vswitch/service/switch-directory.ts';

/** The shortest frame of Ethernet, without its checksum. */
const SHORTEST_FRAME = 60;
const IPV4 = 0x0800;

/** A switch and, while the switch process runs it, who is on it and what they did. */
export interface SwitchStatus extends SwitchConfiguration {
  readonly ports?: readonly PortStatus[];
  readonly addresses?: readonly { mac: string; vlan: number; nic: string; ageSeconds?: number }[];
  /** Its ends on the host. */
  readonly host?: readonly HostEnd[];
  readonly cache?: object;
}

export interface HostEnd {
  readonly port: string;
  readonly kind: string;
  readonly interface?: string;
  /** Frames for which the switch was too slow, or the interface had no room. */
  readonly lost?: { readonly framesIn: number; readonly framesOut: number };
  /** Where the user-mode one is reached. */
  readonly gateway?: string;
  /** Ports of the host's loopback that reach guests on it. */
  readonly forwards?: readonly {
    readonly protocol: string; readonly hostPort: number; readonly nic: string; readonly guestPort: number;
    readonly reason?: string;
  }[];
  /** Why it is not there. */
  readonly reason?: string;
}

export interface PortStatus {
  readonly nic: string;
  readonly state: string;
  readonly mac?: string;
  readonly vlan: string;
  readonly mirror: string;
  readonly counters: Readonly<Record<'framesIn' | 'bytesIn' | 'framesOut' | 'bytesOut', number>> & {
    readonly drops: Readonly<Record<string, number>>;
  };
}

export interface NewSwitch {
  readonly name: string;
  readonly type?: string | undefined;
  readonly adapter?: string | undefined;
  readonly allowManagement?: boolean | undefined;
}

export class Switches {
  readonly #directory: SwitchDirectory;

  constructor(directory: SwitchDirectory = SwitchDirectory.open()) {
    this.#directory = directory;
  }

  async create({ name, type, adapter, allowManagement }: NewSwitch): Promise<SwitchConfiguration> {
    if (this.#directory.has(checkSwitchName(name))) {
      throw new OperatingError('usage', `there is a switch ${name} already: choose another name, or set this one`);
    }
    // Naming an adapter of the host makes a switch external.
    const chosen = type ?? (adapter === undefined ? 'private' : 'external');
    return this.#write({
      version: CONFIGURATION_VERSION, name, type: chosen, allowManagement: allowManagement ?? true, nics: {},
      ...(adapter === undefined ? {} : { adapter }),
    });
  }

  list(): SwitchConfiguration[] {
    return this.#directory.names().map((name) => this.#directory.read(name));
  }

  async show(name: string): Promise<SwitchStatus> {
    const configuration = this.#directory.read(name);
    return (await this.#ask({ kind: 'status', switch: name })) as SwitchStatus | undefined ?? configuration;
  }

  async set(name: string, change: Partial<Omit<NewSwitch, 'name'>>): Promise<SwitchConfiguration> {
    const { adapter, ...old } = this.#directory.read(name);
    const type = change.type ?? (change.adapter === undefined ? old.type : 'external');
    const uplink = type === 'external' ? change.adapter ?? adapter : change.adapter;
    return this.#write({
      ...old, type, allowManagement: change.allowManagement ?? old.allowManagement,
      ...(uplink === undefined ? {} : { adapter: uplink }),
    });
  }

  /** What the NIC of that name is set to, now and whenever it comes. */
  async setNic(name: string, nic: string, change: Partial<NicSettings>): Promise<SwitchConfiguration> {
    const old = this.#directory.read(name);
    return this.#write({ ...old, nics: { ...old.nics, [nic]: { ...old.nics[nic], ...change } } });
  }

  /** NICs that are on it lose their link. */
  async remove(name: string): Promise<void> {
    this.#directory.read(name);
    this.#directory.remove(name);
    await this.#ask({ kind: 'reload', switch: name });
  }

  /** What would become of a frame from a NIC, step by step. */
  async trace(name: string, nic: string, frame: Uint8Array): Promise<string[]> {
    this.#directory.read(name);
    const hex = Buffer.from(frame).toString('hex');
    const steps = await this.#ask({ kind: 'trace', switch: name, nic, frame: hex });
    if (steps === undefined) throw nobodyThere(name);
    return steps as string[];
  }

  /** A pcapng file as it grows, until the socket that comes back is destroyed. */
  async capture(
    name: string, options: { readonly nic?: string | undefined; readonly points: readonly CapturePoint[] },
    take: (bytes: Uint8Array) => void, ended: () => void,
  ): Promise<Socket> {
    this.#directory.read(name);
    const socket = await reachSwitches(this.#directory);
    if (socket === undefined) throw nobodyThere(name);
    const request = { kind: 'capture', switch: name, nic: options.nic, points: options.points } as const;
    await capture(socket, request, take, ended);
    return socket;
  }

  async #write(configuration: unknown): Promise<SwitchConfiguration> {
    const checked = readConfiguration(configuration);
    this.#directory.write(checked);
    await this.#ask({ kind: 'reload', switch: checked.name });
    return checked;
  }

  /** Undefined when the switch process does not run: then nobody is on any switch. */
  async #ask(query: Query): Promise<unknown> {
    const socket = await reachSwitches(this.#directory);
    return socket === undefined ? undefined : ask(socket, query);
  }
}

/** The shortest frame between two addresses, of a type and with a tag if wanted. */
export function plainFrame(
  options: { readonly destination: string; readonly source: string; readonly vlan?: number; readonly type?: number },
): Uint8Array {
  const { vlan, type = IPV4 } = options;
  const tag = vlan === undefined ? [] : [0x81, 0, vlan >>> 8, vlan & 0xff];
  const bytes = new Uint8Array(SHORTEST_FRAME + tag.length);
  bytes.set([...anyAddress(options.destination), ...anyAddress(options.source), ...tag, type >>> 8, type & 0xff]);
  return bytes;
}

function anyAddress(text: string): Uint8Array {
  if (/^[0-9a-f]{2}([-:][0-9a-f]{2}){5}$/i.test(text)) {
    return Uint8Array.from(text.split(/[-:]/), (pair) => Number.parseInt(pair, 16));
  }
  throw new OperatingError('usage', `an address is as 00-15-5d-00-00-01, not ${text}`);
}

function nobodyThere(name: string): OperatingError {
  return new OperatingError('host', `nobody is on the switch ${name}: start a VM with --nic ${name} first`);
}
