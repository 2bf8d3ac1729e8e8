/** The host's network through Node's sockets: no privilege needed. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { getServers } from 'node:dns';
import { createServer, Socket, type AddressInfo } from 'node:net';
import type { HostDatagrams, HostNetwork, HostStream, Listening, Route, StreamEvents } from './host-network.ts';

export class NodeHostNetwork implements HostNetwork {
  connect(route: Route, events: StreamEvents): HostStream {
    const stream = new NodeStream(newSocket());
    stream.connect(route, events);
    return stream;
  }

  listen(address: string, port: number, accept: (stream: HostStream) => StreamEvents): Promise<Listening> {
    const { promise, resolve, reject } = newPromise<Listening>();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const stream = new NodeStream(socket);
      stream.attach(accept(stream));
    });
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve({ port: (server.address() as AddressInfo).port, close: () => void server.close() });
    });
    return promise;
  }

  datagrams(family: 4 | 6, received: (payload: Uint8Array, address: string, port: number) => void): HostDatagrams {
    const lookup = (host: string, _options: unknown, done: (error: null, address: string, family: number) => void) =>
      done(null, host, family);
    const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', lookup: lookup as never });
    return datagramsOver(socket, received);
  }

  async bind(
    address: string, port: number, received: (payload: Uint8Array, address: string, port: number) => void,
  ): Promise<HostDatagrams & { readonly port: number }> {
    const socket = createSocket('udp4');
    const { promise, resolve, reject } = newPromise<void>();
    socket.once('error', reject);
    socket.bind({ address, port, exclusive: true }, () => resolve());
    await promise;
    socket.off('error', reject);
    return { port: socket.address().port, ...datagramsOver(socket, received) };
  }

  resolvers(): readonly string[] {
    return getServers();
  }
}

/** A socket that does not keep the process, and closes by itself when it fails. */
function datagramsOver(
  socket: DatagramSocket, received: (payload: Uint8Array, address: string, port: number) => void,
): HostDatagrams {
  let isOpen = true;
  const close = (): void => {
    if (isOpen) socket.close();
    isOpen = false;
  };
  socket.on('error', close);
  socket.on('message', (payload, from) => received(payload, from.address, from.port));
  socket.unref();
  return {
    send: (payload, to, port) => {
      // A refusal by the system is a lost datagram, which is what UDP promises.
      if (isOpen) socket.send(payload, port, to, () => {});
    },
    close,
  };
}

function newPromise<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => { resolve = yes; reject = no; });
  return { promise, resolve, reject };
}

function newSocket(): Socket {
  return new Socket({ allowHalfOpen: true });
}

class NodeStream implements HostStream {
  #socket: Socket;
  #isReset = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Tries one address after the other. Until one answers, nobody writes or reads. */
  connect({ addresses: [address, next, ...others], port }: Route, events: StreamEvents): void {
    const socket = this.#socket;
    const onClose = (): void => {
      if (this.#isReset || next === undefined) return events.closed(true);
      this.#socket = newSocket();
      this.connect({ addresses: [next, ...others], port }, events);
    };
    socket.on('error', () => {});
    socket.once('close', onClose);
    socket.connect({ host: address, port }, () => {
      socket.off('close', onClose);
      this.attach(events);
      events.connected();
    });
  }

  attach(events: StreamEvents): void {
    let failed = false;
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk) => events.data(chunk));
    this.#socket.on('end', () => events.ended());
    this.#socket.on('drain', () => events.drained());
    this.#socket.on('error', () => { failed = true; });
    this.#socket.on('close', () => events.closed(failed));
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  write(chunk: Uint8Array): void {
    if (!this.#socket.writable) return;
    // What arrives in one turn of the event loop goes out in one call.
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork();
      process.nextTick(() => this.#socket.uncork());
    }
    this.#socket.write(chunk);
  }

  end(): void {
    this.#socket.end();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  reset(): void {
    this.#isReset = true;
    if (!this.#socket.destroyed) this.#socket.resetAndDestroy();
  }
}
