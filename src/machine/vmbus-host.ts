/**
 * The machine's VMBus: the bus over the microkernel's messages and events, the integration services on it, and the
 * loop that gives them their turns on this thread, the VM worker's main one.
 */
import { Connections } from '../hypervisor/connections.ts';
import { ControlBuffer } from '../hypervisor/control-buffer.ts';
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import type { InterruptRouter } from '../hypervisor/interrupt-router.ts';
import type { ReferenceTime } from '../hypervisor/reference-time.ts';
import { SynicPort } from '../hypervisor/synic-port.ts';
import type { Clock } from '../kit/clock.ts';
import { HostTimers, type Timers } from '../kit/timers.ts';
import { VmBus } from '../vmbus/bus.ts';
import { HypervisorBusPort } from '../vmbus/bus-port.ts';
import type { BusState } from '../vmbus/bus-state.ts';
import { FileCopy } from '../vsp/fcopy/device.ts';
import type { FileCopyState } from '../vsp/fcopy/state.ts';
import { Heartbeat, type HeartbeatHealth } from '../vsp/heartbeat/device.ts';
import type { HeartbeatState } from '../vsp/heartbeat/state.ts';
import { KeyValueExchange } from '../vsp/kvp/device.ts';
import type { KvpState } from '../vsp/kvp/state.ts';
import { Shutdown } from '../vsp/shutdown/device.ts';
import type { ShutdownState } from '../vsp/shutdown/state.ts';
import { Sockets } from '../vsp/socket/device.ts';
import type { SocketState } from '../vsp/socket/state.ts';
import { TimeSync } from '../vsp/timesync/device.ts';
import type { TimeSyncState } from '../vsp/timesync/state.ts';
import { VolumeSnapshots } from '../vsp/vss/device.ts';
import type { VssState } from '../vsp/vss/state.ts';
import type { StorageState } from '../vsp/storage/state.ts';
import { MachineNetwork, type MachineNetworkOptions } from './network.ts';
import { MachineStorage, type MachineStorageOptions } from './storage.ts';

/** The doorbell of this thread; services with threads of their own get the next ones. */
const MAIN_DOORBELL = 0;

export interface VmbusHostOptions {
  readonly partition: {
    readonly control: SharedArrayBuffer; readonly interrupts: InterruptRouter; readonly time: ReferenceTime;
  };
  readonly memory: GuestMemory;
  readonly clock: Clock;
  readonly timers?: Timers;
  /** A service or the bus failed: a mistake of ours. */
  readonly onFailure: (error: unknown) => void;
  readonly onHeartbeat?: ((health: HeartbeatHealth) => void) | undefined;
}

/** The bus and its services as a value. Streams are not part of it: their other ends are programs. */
export interface VmbusHostState {
  readonly bus: BusState;
  readonly heartbeat: HeartbeatState;
  readonly shutdown: ShutdownState;
  readonly timeSync: TimeSyncState;
  readonly kvp: KvpState;
  readonly snapshots: VssState;
  readonly fileCopy: FileCopyState;
  readonly sockets: SocketState;
  /** One a controller. */
  readonly storage: readonly StorageState[];
}

export class VmbusHost {
  readonly bus: VmBus;
  readonly heartbeat: Heartbeat;
  readonly shutdown: Shutdown;
  readonly timeSync: TimeSync;
  readonly kvp: KeyValueExchange;
  readonly snapshots: VolumeSnapshots;
  readonly fileCopy: FileCopy;
  readonly sockets: Sockets;
  /** Undefined until it is connected. */
  storage: MachineStorage | undefined;
  readonly #connections: Connections;
  readonly #control: SharedArrayBuffer;
  readonly #port: HypervisorBusPort;
  readonly #onFailure: (error: unknown) => void;
  #closed = false;

  constructor(options: VmbusHostOptions) {
    const { partition, memory, clock, timers = new HostTimers() } = options;
    const control = new ControlBuffer(partition.control);
    this.#connections = new Connections(control);
    this.#onFailure = options.onFailure;
    this.#control = partition.control;
    const synic = new SynicPort({ control, router: partition.interrupts });
    const port = new HypervisorBusPort({ synic, connections: this.#connections, doorbell: MAIN_DOORBELL });
    this.#port = port;
    this.bus = new VmBus({
      memory, port,
      onConnectRequest: (endpoint, service) => this.sockets.connectRequested(endpoint, service),
    });
    this.sockets = new Sockets({ bus: this.bus, timers });
    this.heartbeat = new Heartbeat({
      timers, ...(options.onHeartbeat === undefined ? {} : { onChange: options.onHeartbeat }),
    });
    this.shutdown = new Shutdown({ timers });
    this.timeSync = new TimeSync({ clock, timers, referenceTime: () => partition.time.now100ns() });
    this.kvp = new KeyValueExchange({ timers });
    this.snapshots = new VolumeSnapshots({ timers });
    this.fileCopy = new FileCopy({ timers });
    for (const service of [
      this.heartbeat, this.shutdown, this.timeSync, this.kvp, this.snapshots, this.fileCopy,
    ]) this.bus.offer(service);
    void this.#serve();
  }

  /** Where the guest's disks will be: threads of their own, which work on the guest's memory. */
  connectStorage(options: Pick<MachineStorageOptions, 'engine' | 'memory' | 'description' | 'partition' | 'notice'>):
    MachineStorage {
    this.storage = new MachineStorage({
      ...options, control: this.#control, bus: this.bus, connections: this.#connections,
      connectionId: (relid) => this.#port.connectionId(relid), onFailure: this.#onFailure,
    });
    return this.storage;
  }

  /** Where the guest's network adapters will be: a thread of their own, too. */
  connectNetwork(
    options: Pick<MachineNetworkOptions, 'engine' | 'memory' | 'nics' | 'ports' | 'processors' | 'natSubnet'>,
  ): MachineNetwork {
    return new MachineNetwork({
      ...options, control: this.#control, bus: this.bus, connections: this.#connections,
      connectionId: (relid) => this.#port.connectionId(relid), onFailure: this.#onFailure,
    });
  }

  /** The guest was reset, and is not running. */
  reset(): void {
    this.bus.disconnect();
  }

  /** Every channel is closed and the loop ends; what was written to disks is on the medium. */
  async close(): Promise<void> {
    this.#closed = true;
    this.bus.disconnect();
    this.#connections.doorbell(MAIN_DOORBELL).ring();
    await this.storage?.stop();
  }

  /** Only while the guest is paused. The storage thread takes no more requests then. */
  saveState(): VmbusHostState {
    return {
      bus: this.bus.saveState(),
      heartbeat: this.heartbeat.saveState(),
      shutdown: this.shutdown.saveState(),
      timeSync: this.timeSync.saveState(),
      kvp: this.kvp.saveState(),
      snapshots: this.snapshots.saveState(),
      fileCopy: this.fileCopy.saveState(),
      sockets: this.sockets.saveState(),
      storage: this.storage?.saveState() ?? [],
    };
  }

  /** Into a new host, after the partition and guest memory were restored and before the guest runs. */
  restoreState(state: VmbusHostState): void {
    this.heartbeat.restoreState(state.heartbeat);
    this.shutdown.restoreState(state.shutdown);
    this.timeSync.restoreState(state.timeSync);
    this.kvp.restoreState(state.kvp);
    this.snapshots.restoreState(state.snapshots);
    this.fileCopy.restoreState(state.fileCopy);
    this.sockets.restoreState(state.sockets);
    this.storage?.restoreState(state.storage);
    this.bus.restoreState(state.bus);
    // Messages may have been on their way in either direction.
    this.#connections.doorbell(MAIN_DOORBELL).ring();
  }

  /** After a state was saved, when the guest goes on nonetheless. */
  goOn(): void {
    this.storage?.goOn();
  }

  /** What bus and guest said last, oldest first. They have no times: they stand before a processor's exits. */
  traceLines(): string[] {
    return this.bus.trace.lines().map((line) => `vmbus ${line}`);
  }

  inspect(): object {
    return {
      ...this.bus.inspect(),
      heartbeat: this.heartbeat.inspect(),
      shutdown: this.shutdown.inspect(),
      timeSync: this.timeSync.inspect(),
      kvp: this.kvp.inspect(),
      snapshots: this.snapshots.inspect(),
      fileCopy: this.fileCopy.inspect(),
      sockets: this.sockets.inspect(),
      storage: this.storage?.inspect(),
    };
  }

  async #serve(): Promise<void> {
    const bell = this.#connections.doorbell(MAIN_DOORBELL);
    for (;;) {
      await bell.wait();
      if (this.#closed) return;
      if (!bell.answer()) continue;
      try {
        this.bus.poll();
      } catch (error) {
        this.#onFailure(error);
        return;
      }
    }
  }
}
