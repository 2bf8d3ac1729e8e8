/**
 * Where debuggers connect: a TCP port of this machine's loopback interface, one session at a time. Whoever can connect
 * to it owns the guest, so it is never reachable from elsewhere.
 */

import { createServer, type Server, type Socket } from 'node:net';
import { OperatingError, systemError } from '../../kit/errors.ts';
import type { Debugger } from './debugger.ts';
import { Session } from './session.ts';

const LOOPBACK = '127.0.0.1';
const MOST_CONNECTIONS = 4;

export interface GdbServerOptions {
  readonly debugger: Debugger;
  /** The debugger wants the guest to end. */
  readonly kill: () => void;
}

export class GdbServer {
  readonly #options: GdbServerOptions;
  readonly #server: Server;
  /** Connected, and to be served when whoever came before is gone. */
  readonly #waiting: Socket[] = [];
  #session: { readonly session: Session; readonly socket: Socket } | undefined;

  /** @param port 0 for any that is free */
  static async listen(port: number, options: GdbServerOptions): Promise<GdbServer> {
    const server = new GdbServer(options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', (error: NodeJS.ErrnoException) => reject(error.code === 'EADDRINUSE'
        ? new OperatingError('host', `port ${port} is in use: give --gdb another one`, { cause: error })
        : systemError(`listen on port ${port}`, error)));
      server.#server.listen(port, LOOPBACK, resolve);
    });
    return server;
  }

  private constructor(options: GdbServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = MOST_CONNECTIONS;
    // A debugger that listens keeps no process alive.
    this.#server.unref();
  }

  get port(): number {
    const address = this.#server.address();
    return address === null || typeof address === 'string' ? 0 : address.port;
  }

  /** The guest has ended by itself. */
  exited(): void {
    this.#session?.session.exited();
  }

  async close(): Promise<void> {
    for (const socket of this.#waiting) socket.destroy();
    this.#session?.socket.destroySoon();
    await new Promise<void>((resolve) => { this.#server.close(() => resolve()); });
  }

  #accept(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (this.#session === undefined) this.#serve(socket);
    else this.#waiting.push(socket);
  }

  #serve(socket: Socket): void {
    socket.setNoDelay(true);
    const session = new Session({
      debugger: this.#options.debugger,
      send: (bytes) => { if (socket.writable) socket.write(bytes); },
      kill: this.#options.kill,
      end: () => socket.end(),
    });
    this.#session = { session, socket };
    socket.on('data', (bytes) => void session.receive(bytes));
    socket.on('close', () => void session.close().then(() => this.#next()));
    void session.open();
  }

  #next(): void {
    this.#session = undefined;
    const socket = this.#waiting.shift();
    if (socket === undefined) return;
    if (socket.destroyed) this.#next();
    else this.#serve(socket);
  }
}
