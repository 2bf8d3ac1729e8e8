/**
 * The switches of a user, in a process of their own. Each is made from its file when somebody first asks for it, and
 * gone when its file is. Clients come by a Unix socket; when there was none for a while, the process has nothing to do.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { Clock } from '../../kit/clock.ts';
import { OperatingError, systemError } from '../../kit/errors.ts';
import { HostTimers, type Timer, type Timers } from '../../kit/timers.ts';
import { Connection } from './connection.ts';
import { HostedSwitch } from './hosted-switch.ts';
import type { ClientRequest } from './requests.ts';
import type { SwitchDirectory } from './switch-directory.ts';

/** What was learned is written down that often. */
const SAVE_MS = 500;
const MAXIMUM_CONNECTIONS = 8192;

export interface SwitchServerOptions {
  readonly directory: SwitchDirectory;
  readonly clock: Clock;
  readonly timers?: Timers;
  /** Nobody was connected for so long. */
  readonly idleMs: number;
  readonly onIdle: () => void;
}

export class SwitchServer {
  readonly #options: SwitchServerOptions;
  readonly #timers: Timers;
  readonly #switches = new Map<string, HostedSwitch>();
  readonly #connections = new Set<Connection>();
  readonly #withFrames: Connection[] = [];
  #server: Server | undefined;
  #idle: Timer | undefined;
  #saving: Timer | undefined;

  constructor(options: SwitchServerOptions) {
    this.#options = options;
    this.#timers = options.timers ?? new HostTimers();
  }

  /** @throws OperatingError when it cannot listen. The caller holds the lock: a socket that is there is nobody's. */
  async listen(): Promise<void> {
    const path = this.#options.directory.socketPath;
    rmSync(path, { force: true });
    const server = createServer((socket) => {
      if (this.#connections.size >= MAXIMUM_CONNECTIONS) {
        socket.destroy();
        return;
      }
      this.#connections.add(new Connection(socket, {
        switchNamed: (name) => this.#switchNamed(name),
        answer: (request) => this.#answer(request),
        gotFrames: (connection) => { this.#withFrames.push(connection); },
        flushAll: () => this.#flush(),
        closed: (connection) => this.#closed(connection),
      }));
      this.#idle?.cancel();
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.on('error', (error) => reject(systemError(`listen on ${path}`, error) as Error));
      server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
    this.#save();
    this.#waitForIdle();
  }

  async close(): Promise<void> {
    this.#saving?.cancel();
    this.#idle?.cancel();
    for (const hosted of this.#switches.values()) hosted.saveTables();
    for (const connection of this.#connections) connection.end();
    await Promise.all([...this.#switches.values()].map((hosted) => hosted.close()));
    const server = this.#server;
    if (server !== undefined) await new Promise((resolve) => { server.close(resolve); });
  }

  #flush(): void {
    for (const each of this.#withFrames) each.flush();
    this.#withFrames.length = 0;
  }

  #switchNamed(name: string): HostedSwitch {
    const known = this.#switches.get(name);
    if (known !== undefined) return known;
    const { directory, clock } = this.#options;
    const made = new HostedSwitch(directory.read(name), directory, clock, () => this.#flush());
    this.#switches.set(name, made);
    return made;
  }

  #answer(request: ClientRequest): unknown {
    switch (request.kind) {
      case 'process':
        return { pid: process.pid, switches: [...this.#switches.keys()], clients: this.#connections.size };
      case 'status': return this.#switchNamed(request.switch).status();
      case 'reload': return this.#reload(request.switch);
      case 'trace': {
        const hosted = this.#switchNamed(request.switch);
        const port = hosted.portNamed(request.nic);
        if (port === undefined) {
          throw new OperatingError('not-found', `there is no NIC ${request.nic} on the switch ${request.switch}: ` +
            `there are ${[...hosted.data.ports].map(({ name }) => name).join(', ') || 'none'}`);
        }
        return hosted.data.trace(port, Buffer.from(request.frame, 'hex'));
      }
      default: throw new OperatingError('usage', `${request.kind} is no question`);
    }
  }

  /** A switch whose file has gone goes, and its NICs lose their link. */
  #reload(name: string): boolean {
    const { directory } = this.#options;
    const hosted = this.#switches.get(name);
    if (hosted === undefined) return false;
    if (directory.has(name)) {
      hosted.configure(directory.read(name));
      return true;
    }
    this.#switches.delete(name);
    void hosted.close();
    for (const connection of this.#connections) if (connection.nicOf === hosted) connection.end();
    return true;
  }

  #closed(connection: Connection): void {
    this.#connections.delete(connection);
    this.#waitForIdle();
  }

  #waitForIdle(): void {
    if (this.#connections.size > 0) return;
    this.#idle?.cancel();
    this.#idle = this.#timers.after(this.#options.idleMs, () => {
      if (this.#connections.size === 0) this.#options.onIdle();
    });
  }

  #save(): void {
    this.#saving = this.#timers.after(SAVE_MS, () => {
      for (const hosted of this.#switches.values()) hosted.saveTables();
      this.#save();
    });
  }
}
