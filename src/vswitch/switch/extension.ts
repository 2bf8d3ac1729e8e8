/**
 * The classes of extensions that a switch takes, in the order in which a frame meets them, which is that of Windows's
 * extensible switch [NDIS 6.40, packet flow through the extensible switch data path]:
 *
 *   ingress  capture → filter → port policy → forwarding (one)
 *   egress   forwarding → VLAN → filter (in the opposite order) → capture
 *
 * What a filter or a forwarding extension decides is remembered for every frame that is the same in what it looked at:
 * it reads a frame through `Flow` alone, which notes what was read. What a class may not do, its interface has not.
 */
import type { KeyWord } from './flow-key.ts';
import type { SwitchPort } from './switch-port.ts';

/** A frame to be decided about. Reading is noted. */
export interface Flow {
  readonly source: SwitchPort;
  /** 48 bits. */
  readonly sourceMac: number;
  readonly destinationMac: number;
  readonly vlan: number;
  readonly etherType: number;
  /** A word of the network layer, for extensions that declare that they look there. */
  network(word: number): number;
}

export type NetworkWord = (typeof KeyWord)['Protocol' | 'IpSource' | 'IpDestination' | 'Ports'];

/** Where on its way a frame is. */
export type CapturePoint = 'ingress' | 'egress' | 'drop';

/** Sees every frame. The bytes are valid only during the call. */
export interface CaptureExtension {
  readonly kind: 'capture';
  readonly name: string;
  /** @param reason for a drop, the name of its cause */
  capture(
    point: CapturePoint, port: SwitchPort, bytes: Uint8Array, offset: number, length: number, reason?: string,
  ): void;
}

/** Drops frames on ingress, knowing their source alone; takes destinations away on egress. */
export interface FilterExtension {
  readonly kind: 'filter';
  readonly name: string;
  readonly looksAt: 'link' | 'network';
  ingress?(flow: Flow): 'drop' | undefined;
  egress?(flow: Flow, destination: SwitchPort): 'exclude' | undefined;
}

/** Chooses destinations. The switch itself leaves out the source and whoever is not on the VLAN. */
export interface ForwardingExtension {
  readonly kind: 'forwarding';
  readonly name: string;
  readonly looksAt: 'link' | 'network';
  forward(flow: Flow, ports: Iterable<SwitchPort>, learned: () => SwitchPort | undefined): Iterable<SwitchPort>;
  /** Refuses a port or a NIC before it is there. */
  mayCreatePort?(name: string): boolean;
}

export type Extension = CaptureExtension | FilterExtension | ForwardingExtension;

/** The built-in one: what is known to be behind a port goes there, everything else to all. */
export const LEARNING_FORWARDING: ForwardingExtension = {
  kind: 'forwarding',
  name: 'learning',
  looksAt: 'link',
  forward: (_flow, ports, learned) => {
    const port = learned();
    return port === undefined ? ports : [port];
  },
};
