/** A switch that joins interfaces of the host, in a process of its own: `host-switch.js INTERFACE INTERFACE`. */

import { HostClock } from '../src/kit/clock.ts';
import { openPacketSocket } from '../src/vswitch/host/frame-device.ts';
import { HostPort } from '../src/vswitch/host/host-port.ts';
import { PacketRings } from '../src/vswitch/host/packet-rings.ts';
import { Switch } from '../src/vswitch/switch/switch.ts';

const hub = new Switch({ clock: new HostClock() });
const rings = new PacketRings();
const onRun = (): void => { for (const each of hub.ports) each.flush(); };
const ports = process.argv.slice(2).map((name) => {
  const port = hub.attach({ name, policy: { macSpoofing: true, priorityTag: true } });
  return new HostPort({ device: openPacketSocket(name), port, rings, onRun });
});
process.send?.(`${ports.length} interfaces are joined`);
