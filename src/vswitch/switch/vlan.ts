/**
 * What VLAN a frame is on, by the port it comes from, and which VLANs a port gets, in which form. Access: the NIC sees
 * untagged frames of one VLAN. Trunk: the allowed VLANs tagged, the native one untagged. Untagged: no VLAN, no tags.
 * The private ones send and receive on a primary VLAN and its secondaries [Windows SDK ntddndis.h,
 * NDIS_SWITCH_PORT_PVLAN_MODE], and see no tags.
 */

export type VlanMode =
  | { readonly kind: 'untagged' }
  | { readonly kind: 'access'; readonly id: number }
  /** `native` 0: untagged frames are on no VLAN. */
  | { readonly kind: 'trunk'; readonly native: number; readonly allowed: readonly number[] }
  /** Sends on the secondary, receives on the primary alone. */
  | { readonly kind: 'isolated'; readonly primary: number; readonly secondary: number }
  /** Sends on the secondary, receives on both. */
  | { readonly kind: 'community'; readonly primary: number; readonly secondary: number }
  /** Sends on the primary, receives on it and the secondaries. */
  | { readonly kind: 'promiscuous'; readonly primary: number; readonly secondaries: readonly number[] };

/** The VLAN of ports without one. */
export const NO_VLAN = 0;

/** The VLAN of an untagged frame that a port sends. */
export function ownVlan(mode: VlanMode): number {
  switch (mode.kind) {
    case 'untagged': return NO_VLAN;
    case 'access': return mode.id;
    case 'trunk': return mode.native;
    case 'isolated':
    case 'community': return mode.secondary;
    case 'promiscuous': return mode.primary;
    default: return mode satisfies never;
  }
}

export type IngressFault = 'vlanTagged' | 'vlanNotAllowed';

/** The VLAN of a frame that a port sends tagged with `id`, which is not 0, or why it may not. */
export function taggedVlan(mode: VlanMode, id: number): number | IngressFault {
  if (mode.kind !== 'trunk') return 'vlanTagged';
  return mode.allowed.includes(id) ? id : 'vlanNotAllowed';
}

/** How a port gets frames of a VLAN; undefined: it does not. */
export function egressForm(mode: VlanMode, vlan: number): 'plain' | 'tagged' | undefined {
  switch (mode.kind) {
    case 'untagged': return vlan === NO_VLAN ? 'plain' : undefined;
    case 'access': return vlan === mode.id ? 'plain' : undefined;
    case 'trunk':
      if (vlan === mode.native) return 'plain';
      return mode.allowed.includes(vlan) ? 'tagged' : undefined;
    case 'isolated': return vlan === mode.primary ? 'plain' : undefined;
    case 'community': return vlan === mode.primary || vlan === mode.secondary ? 'plain' : undefined;
    case 'promiscuous': return vlan === mode.primary || mode.secondaries.includes(vlan) ? 'plain' : undefined;
    default: return mode satisfies never;
  }
}

/** The VLANs that a mode makes secondaries, and of which primary. */
export function secondariesOf(mode: VlanMode): { readonly primary: number; readonly secondaries: readonly number[] } {
  if (mode.kind === 'promiscuous') return mode;
  if (mode.kind === 'isolated' || mode.kind === 'community') {
    return { primary: mode.primary, secondaries: [mode.secondary] };
  }
  return { primary: NO_VLAN, secondaries: [] };
}

/** As people write it. */
export function vlanText(mode: VlanMode): string {
  switch (mode.kind) {
    case 'untagged': return 'untagged';
    case 'access': return `access ${mode.id}`;
    case 'trunk': return `trunk ${mode.allowed.join(',')} native ${mode.native}`;
    case 'isolated':
    case 'community': return `${mode.kind} ${mode.primary}/${mode.secondary}`;
    case 'promiscuous': return `promiscuous ${mode.primary}/${mode.secondaries.join(',')}`;
    default: return mode satisfies never;
  }
}
