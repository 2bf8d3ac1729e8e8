/**
 * The network thread: the rings of the guest's network adapters, and their ports on switches. It waits in its event
 * loop, because connections to the switch process are sockets. The main thread gives it NICs and open channels; between
 * a command to close one and its acknowledgement the last access to guest memory for that channel is over.
 */

import type { OnReadOpts, Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { OperatingError } from '../kit/errors.ts';
import { Channel } from '../vmbus/channel.ts';
import { GuestPages, type GuestPagesValue } from '../vmbus/guest-pages.ts';
import { SwitchLink } from '../vswitch/link/switch-link.ts';
import { reachSwitches } from '../vswitch/service/start.ts';
import { SwitchDirectory } from '../vswitch/service/switch-directory.ts';
import { CrossedEndpoint } from './crossed-endpoint.ts';
import {
  NETWORK_DOORBELL, type NetworkCommand, type NetworkReport, type NicNetwork, type SavedNic,
} from './network-protocol.ts';
import type { ServiceMachineData, ServiceWorkerData, StartReport } from './service-protocol.ts';
import { ServiceSide } from './service-side.ts';
import { ServedNic } from './served-nic.ts';

type Command<Kind extends NetworkCommand['kind']> = Extract<NetworkCommand, { readonly kind: Kind }>;

/** An open channel, and whose it is. */
interface Line {
  readonly nic: ServedNic;
  readonly index: number;
  readonly channel: Channel;
}

class NetworkThread {
  readonly #side: ServiceSide<NetworkCommand>;
  readonly #nics = new Map<number, ServedNic>();
  /** By the connection with which the guest rings. */
  readonly #lines = new Map<number, Line>();
  #again = new Set<Line>();
  #isHeld = false;
  #switchesWanted: { resolve(): void; reject(error: Error): void }[] = [];

  constructor(data: ServiceMachineData & ServiceWorkerData) {
    this.#side = new ServiceSide(data);
  }

  async run(): Promise<void> {
    const bell = this.#side.connections.doorbell(NETWORK_DOORBELL);
    for (;;) {
      this.#side.isIdle = true;
      // What was rung meanwhile does not keep sockets from being heard.
      if (bell.isRung) await setImmediate();
      else await bell.wait();
      this.#side.isIdle = false;
      if (!bell.answer()) continue;
      this.#side.progress();
      if (!this.#side.obey((command) => this.#carryOut(command))) return;
      if (!this.#isHeld) this.#turn();
    }
  }

  #turn(): void {
    const rung = this.#again;
    this.#again = new Set();
    this.#side.connections.takeSignals(NETWORK_DOORBELL, (connection) => {
      const line = this.#lines.get(connection);
      if (line !== undefined) rung.add(line);
    });
    for (const { nic, index, channel } of rung) {
      channel.beginTurn();
      nic.adapter.signalled(index);
      channel.endTurn();
    }
    for (const nic of this.#nics.values()) nic.turn();
  }

  #carryOut(command: NetworkCommand): void {
    switch (command.kind) {
      case 'add':
        this.#add(command);
        return;
      case 'restore':
        this.#nics.get(command.nic)?.adapter.restoreState(command.state);
        return;
      case 'open':
        this.#open(command);
        return;
      case 'close':
        this.#close(command.nic, command.index);
        return;
      case 'pages-given':
        this.#nics.get(command.nic)?.pages.set(command.given.gpadl, this.#pagesOf(command.given.pages));
        return;
      case 'pages-taken':
        this.#nics.get(command.nic)?.pages.delete(command.gpadl);
        return;
      case 'leave':
        this.#nics.get(command.nic)?.leave(() => report({ kind: 'drained', nic: command.nic }));
        return;
      case 'forget':
        this.#nics.get(command.nic)?.close();
        this.#nics.delete(command.nic);
        return;
      case 'hold':
        this.#hold();
        return;
      case 'go-on':
        this.#isHeld = false;
        for (const { adapter } of this.#nics.values()) adapter.goOn();
        return;
      case 'switches':
        this.#switchesStarted(command.failure);
        return;
      case 'stop':
        for (const nic of this.#nics.values()) nic.close();
        return;
      default:
        command satisfies never;
    }
  }

  #add({ nic: number, placed, isOpen }: Command<'add'>): void {
    const nic = new ServedNic({
      placed, ram: this.#side.memory, endpoint: this.#endpointOf(placed.network),
      offerSubChannel: (index) => report({ kind: 'sub-channel', nic: number, index }),
      isTakenOver: isOpen !== undefined,
    });
    this.#nics.set(number, nic);
    if (isOpen?.includes(true) === true) nic.adapter.takeOver(isOpen);
  }

  #endpointOf(network: NicNetwork): CrossedEndpoint | SwitchLink {
    if (network.kind === 'crossed') {
      return new CrossedEndpoint(network.buffer, () => this.#side.connections.doorbell(NETWORK_DOORBELL).ring());
    }
    const directory = new SwitchDirectory(network.directory);
    return new SwitchLink({ ...network.link, reach: (reading) => this.#reachSwitches(directory, reading) });
  }

  /** @throws Error when the switch process does not come up. */
  async #reachSwitches(directory: SwitchDirectory, reading: OnReadOpts): Promise<Socket> {
    const running = await reachSwitches(directory, reading);
    if (running !== undefined) return running;
    // The main thread starts it: this process may be one that may start no other.
    await new Promise<void>((resolve, reject) => {
      this.#switchesWanted.push({ resolve, reject });
      report({ kind: 'switches-wanted' });
    });
    const socket = await reachSwitches(directory, reading);
    if (socket === undefined) throw new OperatingError('host', 'the switch process has gone again');
    return socket;
  }

  #switchesStarted(failure: string | undefined): void {
    for (const { resolve, reject } of this.#switchesWanted.splice(0)) {
      if (failure === undefined) resolve();
      else reject(new OperatingError('host', failure));
    }
  }

  #hold(): void {
    this.#isHeld = true;
    const states = [...this.#nics].map(([nic, { adapter }]): SavedNic => {
      adapter.hold();
      return { nic, state: adapter.saveState() };
    });
    this.#side.commands.postMessage(states);
  }

  #open({ nic: number, index, channel: handle, connection, pages }: Command<'open'>): void {
    const nic = this.#nics.get(number);
    if (nic === undefined) return;
    for (const { gpadl, pages: value } of pages) nic.pages.set(gpadl, this.#pagesOf(value));
    const parts = this.#side.partsOf(handle.relid);
    const channel = new Channel({
      ...handle,
      ...parts,
      ring: this.#pagesOf(handle.ring),
      receivePosition: handle.isRestored ? nic.journal.queues[index]?.receivePosition : undefined,
      comeAgain: () => this.#comeAgain(connection),
      fail: (reason) => {
        this.#close(number, index);
        report({ kind: 'broken', nic: number, index, reason });
      },
      pagesOf: (gpadl) => nic.pages.get(gpadl),
    });
    nic.connections.set(index, connection);
    this.#lines.set(connection, { nic, index, channel });
    nic.adapter.opened(channel, index);
    // The last thread may have ended between a packet and its interrupt, and the guest rung before the bell was ours.
    if (handle.isRestored) parts.signalGuest();
    this.#comeAgain(connection);
  }

  #comeAgain(connection: number): void {
    const line = this.#lines.get(connection);
    if (line === undefined) return;
    this.#again.add(line);
    this.#side.connections.doorbell(NETWORK_DOORBELL).ring();
  }

  #close(number: number, index: number): void {
    const nic = this.#nics.get(number);
    const connection = nic?.connections.get(index);
    const line = connection === undefined ? undefined : this.#lines.get(connection);
    if (nic === undefined || connection === undefined || line === undefined) return;
    line.channel.close();
    this.#lines.delete(connection);
    this.#again.delete(line);
    nic.connections.delete(index);
    nic.adapter.closed(index);
  }

  #pagesOf(value: GuestPagesValue): GuestPages {
    return new GuestPages({ buffer: this.#side.memory.buffer, ...value });
  }
}

function report(message: NetworkReport | StartReport): void {
  parentPort?.postMessage(message);
}

async function main(): Promise<void> {
  const data = workerData as ServiceMachineData & ServiceWorkerData;
  // Waiting for the bell alone keeps no event loop going.
  data.commands.ref();
  const thread = new NetworkThread(data);
  report({ kind: 'ready' });
  await thread.run();
  data.commands.close();
}

await main();
