/**
 * A switch's ends on the host, as its type wants them: for an internal switch a port of the host itself, for an
 * external one its uplink and, with management sharing, a port of the host. An end that cannot be had is missing, and
 * says why.
 */
import { createHash } from 'node:crypto';
import { poolMacAddress } from '../../kit/mac-address.ts';
import { MAXIMUM_VLAN_ID } from '../../protocols/ethernet.ts';
import { type FrameDevice, openPacketSocket, openTap } from '../host/frame-device.ts';
import { HostPort } from '../host/host-port.ts';
import { PacketRings } from '../host/packet-rings.ts';
import { UserPort } from '../host/user-port.ts';
import type { SwitchPort } from '../switch/switch-port.ts';
import type { VlanMode } from '../switch/vlan.ts';
import type { NicForward, SwitchConfiguration } from './configuration.ts';

/** Names of ports that no NIC of a VM gets while they are there. */
export const HOST_PORT = 'host';
export const UPLINK_PORT = 'uplink';

/** The wire carries every VLAN tagged, and what is on none untagged. */
const EVERY_VLAN: VlanMode = {
  kind: 'trunk', native: 0, allowed: Array.from({ length: MAXIMUM_VLAN_ID }, (_, i) => i + 1),
};
const LONGEST_INTERFACE_NAME = 15;

export interface HostAttachmentOptions {
  readonly attach: (name: string, vlan: VlanMode) => SwitchPort;
  readonly detach: (port: SwitchPort) => void;
  /** Frames of a run came from the host. */
  readonly onRun: () => void;
}

/** A forward of a NIC that is on the switch. */
export interface GuestForward extends NicForward {
  readonly nic: string;
  readonly mac: string;
}

interface End {
  readonly status: object;
  close(): Promise<void>;
}

export class HostAttachment {
  readonly #options: HostAttachmentOptions;
  readonly #ends = new Map<string, { readonly wish: string; readonly end: End }>();
  readonly #rings = new PacketRings();
  #changes: Promise<void> = Promise.resolve();
  #forwards: readonly GuestForward[] = [];
  #userPort: UserPort | undefined;

  constructor(options: HostAttachmentOptions) {
    this.#options = options;
  }

  /** What is not as the configuration wants it is made so, one change after the other. */
  apply(configuration: SwitchConfiguration): void {
    const { name, type, adapter = '', allowManagement } = configuration;
    const wishes = new Map<string, readonly [wish: string, open: () => End]>();
    if (type === 'internal' || (type === 'external' && allowManagement)) {
      wishes.set(HOST_PORT, [name, () => this.#openHost(name, type === 'internal')]);
    }
    if (type === 'external') wishes.set(UPLINK_PORT, [adapter, () => this.#openUplink(adapter)]);
    this.#changes = this.#changes.then(() => this.#become(wishes));
  }

  /** Holds while the host is a user-mode network; elsewhere it reaches guests by itself. */
  forward(forwards: readonly GuestForward[]): void {
    this.#forwards = forwards;
    this.#userPort?.forward(forwards);
  }

  status(): readonly object[] {
    return [...this.#ends].map(([port, { end }]) => ({ port, ...end.status }));
  }

  close(): Promise<void> {
    this.#changes = this.#changes.then(() => this.#become(new Map()));
    return this.#changes;
  }

  async #become(wishes: ReadonlyMap<string, readonly [wish: string, open: () => End]>): Promise<void> {
    for (const [port, { wish, end }] of this.#ends) {
      if (wishes.get(port)?.[0] === wish) continue;
      this.#ends.delete(port);
      await end.close();
    }
    for (const [port, [wish, open]] of wishes) if (!this.#ends.has(port)) this.#ends.set(port, { wish, end: open() });
  }

  /** An interface of the host; without privilege an internal switch has the reach of user-mode sockets instead. */
  #openHost(name: string, hasUserMode: boolean): End {
    const address = poolMacAddress(createHash('sha256').update(name).digest().readUInt32BE());
    return this.#open(HOST_PORT, { kind: 'untagged' },
      () => openTap(interfaceNameOf(name), `vEthernet (${name})`, address), hasUserMode);
  }

  #openUplink(adapter: string): End {
    return this.#open(UPLINK_PORT, EVERY_VLAN, () => openPacketSocket(adapter), false);
  }

  #open(name: string, vlan: VlanMode, open: () => FrameDevice, hasUserMode: boolean): End {
    const port = this.#options.attach(name, vlan);
    let hostPort: HostPort;
    try {
      hostPort = HostPort.open({ open, port, rings: this.#rings, onRun: this.#options.onRun });
    } catch (error) {
      this.#options.detach(port);
      const reason = error instanceof Error ? error.message : String(error);
      return hasUserMode ? this.#openUserMode(reason) : { status: { kind: 'absent', reason }, close: async () => {} };
    }
    const { device } = hostPort;
    return {
      get status() {
        return { kind: device.kind, interface: device.interfaceName, lost: hostPort.lost };
      },
      close: async () => {
        await hostPort.close();
        this.#options.detach(port);
      },
    };
  }

  #openUserMode(reason: string): End {
    const port = this.#options.attach(HOST_PORT, { kind: 'untagged' });
    const userPort = new UserPort({ port, onRun: this.#options.onRun });
    this.#userPort = userPort;
    userPort.forward(this.#forwards);
    return {
      get status() {
        return { kind: 'user mode', gateway: userPort.gateway, forwards: userPort.forwards, reason };
      },
      close: async () => {
        this.#userPort = undefined;
        await userPort.close();
        this.#options.detach(port);
      },
    };
  }
}

/** What the host calls it: names of interfaces have no spaces and at most 15 letters. */
export function interfaceNameOf(name: string): string {
  const plain = name.replaceAll(' ', '-');
  for (const form of [`vEthernet(${plain})`, `vEth(${plain})`]) if (form.length <= LONGEST_INTERFACE_NAME) return form;
  return `vEth-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
}
