/** A forward as it is written: `tcp:8080:80`, a port of the host's loopback and one of the guest. */

import { usage } from '../kit/errors.ts';
import type { ForwardDescription } from '../machine/description.ts';

export function forwardOf(text: string): ForwardDescription {
  const [, protocol, host, guest] = /^(tcp|udp):(\d{1,5}):(\d{1,5})$/.exec(text) ?? [];
  const [hostPort, guestPort] = [Number(host), Number(guest)];
  const isPort = (port: number): boolean => port >= 1 && port <= 65_535;
  if ((protocol === 'tcp' || protocol === 'udp') && isPort(hostPort) && isPort(guestPort)) {
    return { protocol, hostPort, guestPort };
  }
  throw usage(`a forward is tcp or udp, a port of the host and one of the guest, as in tcp:8080:80, not ${text}`);
}
