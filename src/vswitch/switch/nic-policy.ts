/** What a port lets its NIC do, in the terms of `Set-VMNetworkAdapter`, with Hyper-V's defaults. */

export interface NicPolicy {
  /** The NIC may send from other addresses than its own. */
  readonly macSpoofing: boolean;
  /** What only a DHCP server sends is dropped. */
  readonly dhcpGuard: boolean;
  /** Router advertisements and redirects are dropped. */
  readonly routerGuard: boolean;
  /** 802.1p priorities pass as they are; otherwise they become 0. */
  readonly priorityTag: boolean;
  /** Broadcast, multicast and unknown unicast frames that it may send in a second; 0: as many as it likes. */
  readonly stormLimit: number;
  /** Bits that it may send in a second; 0: as many as it likes. */
  readonly maximumBandwidth: number;
}

export const DEFAULT_POLICY: NicPolicy = {
  macSpoofing: false, dhcpGuard: false, routerGuard: false, priorityTag: false, stormLimit: 0, maximumBandwidth: 0,
};
