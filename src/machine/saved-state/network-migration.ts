/** Version 3 of a machine's state: network adapters by channel. Before, an adapter had one, and coalesced nothing. */

import { SCALE_KEY_BYTES, SCALE_TABLE_ENTRIES } from '../../protocols/ndis-oid.ts';

type Value = Readonly<Record<string, unknown>>;

const NO_SCALING = {
  isOn: false, hashes: 0, key: new Uint8Array(SCALE_KEY_BYTES), table: new Uint8Array(SCALE_TABLE_ENTRIES),
};

export function networkByChannel(value: Value): Value {
  const { network } = value;
  return { ...value, version: 3, network: Array.isArray(network) ? network.map(adapterOf) : network };
}

/** What makes no sense is left as it is: it is refused for its shape. */
function adapterOf(old: Value): unknown {
  if (!isValue(old)) return old;
  const { unsent, nvspVersion, adapter, receive, transmit } = old;
  if (!isValue(adapter) || !isValue(receive) || !isValue(transmit)) return old;
  const { current, waiting } = transmit;
  return {
    ...old,
    version: 2,
    subChannels: 0,
    queues: [{ isOpen: nvspVersion !== 0, unsent }],
    adapter: {
      ...adapter, knowsCoalescing: false, coalescesIpv4: false, coalescesIpv6: false, scaling: NO_SCALING,
    },
    receive: { ...receive, pending: [receive['pending']] },
    transmit: {
      current: isValue(current) ? { ...current, queue: 0 } : current,
      waiting: Array.isArray(waiting) ? waiting.map((each: Value) => ({ ...each, queue: 0 })) : waiting,
    },
  };
}

function isValue(value: unknown): value is Value {
  return typeof value === 'object' && value !== null;
}
