/**
 * hv_sock: streams between programs of the host and AF_VSOCK programs of the guest, each over a channel of its own.
 * To connect to the guest is to offer a channel of the port's class, which the guest opens if a program listens there;
 * a guest that connects asks for such an offer.
 */
import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { OperatingError } from '../../kit/errors.ts';
import type { Timer, Timers } from '../../kit/timers.ts';
import type { Guid } from '../../protocols/vmbus/class-ids.ts';
import { portOfService, serviceOfPort } from '../../protocols/vmbus/hv-socket.ts';
import type { ChannelService, Offer } from '../../vmbus/offer.ts';
import { expectStateVersion } from '../service.ts';
import { SocketStream } from './stream.ts';
import { SOCKET_STATE_VERSION, type SocketState } from './state.ts';

/** How long a guest may take to open what was offered. */
export const OPEN_TIMEOUT_MS = 5000;
/** Connections at a time; channels are few. */
export const MAX_CONNECTIONS = 1024;

/** Where the service's channels are offered. */
export interface OfferPort {
  offer(service: ChannelService): Offer | undefined;
  rescind(offer: Offer): void;
}

export type ConnectionListener = (stream: Duplex) => void;

export class Sockets {
  readonly #bus: OfferPort;
  readonly #timers: Timers;
  readonly #listeners = new Map<number, ConnectionListener>();
  readonly #offers = new Map<SocketStream, { readonly offer: Offer; readonly timer: Timer }>();

  constructor(options: { bus: OfferPort; timers: Timers }) {
    this.#bus = options.bus;
    this.#timers = options.timers;
  }

  get connectionCount(): number {
    return this.#offers.size;
  }

  /**
   * Connects to a port on which a program of the guest listens.
   * @throws OperatingError when none does.
   */
  connect(port: number, timeoutMs = OPEN_TIMEOUT_MS): Promise<Duplex> {
    expectPort(port);
    return new Promise((resolve, reject) => {
      const refuse = (): void => {
        reject(new OperatingError('guest', `cannot connect to port ${port} of the guest: nothing there listens on it`));
      };
      const isOffered = this.#offer(serviceOfPort(port), randomUUID(), true, timeoutMs, resolve, refuse);
      if (isOffered) return;
      const reason = `${MAX_CONNECTIONS} connections are open already`;
      reject(new OperatingError('host', `cannot connect to port ${port}: ${reason}`));
    });
  }

  /**
   * Takes the guest's connections to a port of the host until the returned object is disposed of.
   * @throws OperatingError when somebody listens there already.
   */
  listen(port: number, listener: ConnectionListener): Disposable {
    expectPort(port);
    if (this.#listeners.has(port)) {
      throw new OperatingError('usage', `cannot listen on port ${port}: it is taken, choose another`);
    }
    this.#listeners.set(port, listener);
    return { [Symbol.dispose]: () => { this.#listeners.delete(port); } };
  }

  /** A program of the guest connects; false refuses. */
  connectRequested(guestEndpoint: Guid, hostService: Guid): boolean {
    const port = portOfService(hostService);
    const listener = port === undefined ? undefined : this.#listeners.get(port);
    if (listener === undefined) return false;
    return this.#offer(hostService, guestEndpoint, false, OPEN_TIMEOUT_MS, listener, () => {});
  }

  /** Connections do not outlive a save: the programs at our end would not be there. */
  saveState(): SocketState {
    return { version: SOCKET_STATE_VERSION };
  }

  restoreState(state: SocketState): void {
    expectStateVersion('socket', state.version, SOCKET_STATE_VERSION);
  }

  inspect(): object {
    return { connections: this.#offers.size, listening: [...this.#listeners.keys()] };
  }

  #offer(
    classId: Guid, instanceId: Guid, isFromHost: boolean, timeoutMs: number,
    onOpen: (stream: Duplex) => void, onTimeout: () => void,
  ): boolean {
    if (this.#offers.size >= MAX_CONNECTIONS) return false;
    const stream = new SocketStream({
      classId, instanceId, isFromHost, timers: this.#timers,
      onOpen: () => {
        this.#offers.get(stream)?.timer.cancel();
        onOpen(stream);
      },
      onEnd: () => this.#end(stream),
    });
    // A program that does not care for errors must not end our process.
    stream.on('error', () => {});
    const offer = this.#bus.offer(stream.service);
    if (offer === undefined) return false;
    const timer = this.#timers.after(timeoutMs, () => {
      this.#end(stream);
      onTimeout();
    });
    this.#offers.set(stream, { offer, timer });
    return true;
  }

  #end(stream: SocketStream): void {
    const entry = this.#offers.get(stream);
    if (entry === undefined) return;
    this.#offers.delete(stream);
    entry.timer.cancel();
    this.#bus.rescind(entry.offer);
  }
}

function expectPort(port: number): void {
  if (Number.isInteger(port) && port >= 0 && port < 0xffff_ffff) return;
  throw new OperatingError('usage', `${port} is no port: a port is a number from 0 to 4294967294`);
}
