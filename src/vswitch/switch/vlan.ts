/**
 * What VLAN a frame is on, by the port it comes from, and in which form a port gets it. Access: the NIC sees untagged
 * frames of one VLAN. Trunk: the allowed VLANs tagged, the native one untagged. Untagged: no VLAN, no tags.
 */
import { EtherType, VLAN_ID_MASK, VLAN_PRIORITY_SHIFT, VlanTag } from '../../protocols/ethernet.ts';

export type VlanMode =
  | { readonly kind: 'untagged' }
  | { readonly kind: 'access'; readonly id: number }
  | { readonly kind: 'trunk'; readonly native: number; readonly allowed: readonly number[] };

/** Where the tag, or the type of an untagged frame, begins. */
const TAG = 12;
/** The VLAN of ports without one. */
export const NO_VLAN = 0;

export interface Classified {
  readonly vlan: number;
  readonly priority: number;
  readonly isTagged: boolean;
}

/** The VLAN of a frame that a port sends, or the name of what it is dropped for. */
export function classify(mode: VlanMode, view: DataView, offset: number, length: number): Classified | string {
  const isTagged = view.getUint16(offset + TAG) === EtherType.Vlan;
  if (isTagged && length < TAG + VlanTag.$size + 2) return 'runt';
  const control = isTagged ? VlanTag.control.get(view, offset + TAG) : 0;
  const id = control & VLAN_ID_MASK;
  const priority = control >>> VLAN_PRIORITY_SHIFT;
  // A tag of VLAN 0 carries a priority and no VLAN [IEEE 802.1Q 9.6].
  if (id === 0) {
    const vlan = mode.kind === 'access' ? mode.id : mode.kind === 'trunk' ? mode.native : NO_VLAN;
    return { vlan, priority, isTagged };
  }
  if (mode.kind !== 'trunk') return 'vlan-tagged';
  return mode.allowed.includes(id) ? { vlan: id, priority, isTagged } : 'vlan-not-allowed';
}

/** How a port gets frames of a VLAN; undefined: it does not. */
export function egressForm(mode: VlanMode, vlan: number): 'plain' | 'tagged' | undefined {
  if (mode.kind === 'untagged') return vlan === NO_VLAN ? 'plain' : undefined;
  if (mode.kind === 'access') return vlan === mode.id ? 'plain' : undefined;
  if (vlan === mode.native) return 'plain';
  return mode.allowed.includes(vlan) ? 'tagged' : undefined;
}

/** The frame without its tag. */
export function withoutTag(frame: Uint8Array): Uint8Array {
  const plain = new Uint8Array(frame.length - VlanTag.$size);
  plain.set(frame.subarray(0, TAG));
  plain.set(frame.subarray(TAG + VlanTag.$size), TAG);
  return plain;
}

export function withTag(frame: Uint8Array, vlan: number, priority: number): Uint8Array {
  const tagged = new Uint8Array(frame.length + VlanTag.$size);
  tagged.set(frame.subarray(0, TAG));
  const view = new DataView(tagged.buffer);
  VlanTag.encode(view, TAG, { tpid: EtherType.Vlan, control: (priority << VLAN_PRIORITY_SHIFT) | vlan });
  tagged.set(frame.subarray(TAG), TAG + VlanTag.$size);
  return tagged;
}
