/**
 * The machine's VMBus: the bus over the microkernel's messages and events, the integration services on it, and the
 * loop that gives them their turns on this thread, the VM worker's main one.
 */
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import { Connections } from '../hypervisor/connections.ts';
import { ControlBuffer } from '../hypervisor/control-buffer.ts';
import type { Partition } from '../hypervisor/partition.ts';
import { SynicPort } from '../hypervisor/synic-port.ts';
import type { Clock } from '../kit/clock.ts';
import { HostTimers, type Timers } from '../kit/timers.ts';
import { VmBus } from '../vmbus/bus.ts';
import { HypervisorBusPort } from '../vmbus/bus-port.ts';
import { FileCopy } from '../vsp/fcopy/device.ts';
import { Heartbeat } from '../vsp/heartbeat/device.ts';
import { KeyValueExchange } from '../vsp/kvp/device.ts';
import { Shutdown } from '../vsp/shutdown/device.ts';
import { Sockets } from '../vsp/socket/device.ts';
import { TimeSync } from '../vsp/timesync/device.ts';
import { VolumeSnapshots } from '../vsp/vss/device.ts';

/** The doorbell of this thread; services with threads of their own get the next ones. */
const MAIN_DOORBELL = 0;

export interface VmbusHostOptions {
  readonly partition: Partition;
  readonly memory: GuestMemory;
  readonly clock: Clock;
  readonly timers?: Timers;
  /** A service or the bus failed: a mistake of ours. */
  readonly onFailure: (error: unknown) => void;
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
  readonly #connections: Connections;
  readonly #onFailure: (error: unknown) => void;
  #closed = false;

  constructor(options: VmbusHostOptions) {
    const { partition, memory, clock, timers = new HostTimers() } = options;
    const control = new ControlBuffer(partition.control);
    this.#connections = new Connections(control);
    this.#onFailure = options.onFailure;
    const synic = new SynicPort({ control, memory, router: partition.interrupts });
    const port = new HypervisorBusPort({ synic, connections: this.#connections, doorbell: MAIN_DOORBELL });
    this.bus = new VmBus({
      memory, port,
      onConnectRequest: (endpoint, service) => this.sockets.connectRequested(endpoint, service),
    });
    this.sockets = new Sockets({ bus: this.bus, timers });
    this.heartbeat = new Heartbeat({ timers });
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

  /** The guest was reset, and is not running. */
  reset(): void {
    this.bus.disconnect();
  }

  /** Every channel is closed and the loop ends. */
  close(): void {
    this.#closed = true;
    this.bus.disconnect();
    this.#connections.doorbell(MAIN_DOORBELL).ring();
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
