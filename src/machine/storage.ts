/**
 * A machine's disks and DVD drives: up to four SCSI controllers, each with a storage thread of its own. Places are
 * given in the order of the description, 64 to a controller.
 */

import type { EngineMemoryHandle } from '../engine/memory-handle.ts';
import type { Connections } from '../hypervisor/connections.ts';
import { OperatingError } from '../kit/errors.ts';
import type { VmBus } from '../vmbus/bus.ts';
import type { StorageState } from '../vsp/storage/state.ts';
import {
  DISKS_PER_CONTROLLER, MAXIMUM_CONTROLLERS, MAXIMUM_DISKS, type StorageAddress, type StorageDescription,
} from './description.ts';
import { type PausablePartition, RoomPause } from './room-pause.ts';
import type { SavedMemory } from './saved-state/memory-source.ts';
import { StorageHost } from './storage-host.ts';

/** Beyond it, more channels of one thread gain nothing. */
const MAXIMUM_CHANNELS = 8;

export interface MachineStorageOptions {
  readonly engine: EngineMemoryHandle;
  /** Of a guest that is being restored. */
  readonly memory: SavedMemory | undefined;
  readonly control: SharedArrayBuffer;
  readonly description: { readonly processors: number };
  readonly bus: VmBus;
  readonly connections: Connections;
  readonly connectionId: (relid: number) => number;
  /** Paused while the host has no room for a disk. */
  readonly partition: PausablePartition;
  /** Takes a line for the person. */
  readonly notice: ((line: string) => void) | undefined;
  readonly onFailure: (error: unknown) => void;
}

export class MachineStorage {
  readonly #options: MachineStorageOptions;
  readonly #hosts: StorageHost[] = [];
  readonly #roomPause: RoomPause;

  constructor(options: MachineStorageOptions) {
    this.#options = options;
    const { partition, notice = (): void => {}, onFailure } = options;
    this.#roomPause = new RoomPause({ partition, notice, onFailure });
  }

  /** @throws OperatingError when a disk cannot be opened, or there are too many. */
  async start(descriptions: readonly StorageDescription[]): Promise<void> {
    for (const units of placed(descriptions)) await this.#startController(units);
  }

  /** What there is now, each with its address. */
  get descriptions(): StorageDescription[] {
    return this.#hosts.flatMap((host, controller) => host.units.flatMap((unit, lun) =>
      unit === undefined ? [] : [{ ...unit, address: { controller, lun } }]));
  }

  /** Adds a disk or a drive, while the guest runs or before. @throws OperatingError when that cannot be. */
  async add(unit: StorageDescription): Promise<StorageAddress> {
    for (const [controller, host] of this.#hosts.entries()) {
      const lun = Array.from({ length: DISKS_PER_CONTROLLER }, (_, each) => host.units[each]).indexOf(undefined);
      if (lun < 0) continue;
      await host.change({ kind: 'add', lun, unit });
      return { controller, lun };
    }
    if (this.#hosts.length === MAXIMUM_CONTROLLERS) {
      throw new OperatingError('unsupported', `a guest has at most ${MAXIMUM_DISKS} disks and drives: remove one`);
    }
    await this.#startController([unit]);
    return { controller: this.#hosts.length - 1, lun: 0 };
  }

  /** Takes a disk or a drive away. What the guest has not flushed from its own memory is lost to it. */
  async remove(address: StorageAddress): Promise<void> {
    await this.#at(address).change({ kind: 'remove', lun: address.lun });
  }

  /** Makes a disk larger under the guest, which learns of it. */
  async resize(address: StorageAddress, sizeBytes: number): Promise<void> {
    await this.#at(address).change({ kind: 'resize', lun: address.lun, sizeBytes });
  }

  /**
   * Merges a disk into its parent while the guest runs; resolves with the path of that, which is the disk then. The
   * file of the child is gone. Until the end the child is whole, so that it can be begun again, however it was stopped.
   */
  async merge(address: StorageAddress): Promise<string> {
    return this.#at(address).merge(address.lun);
  }

  /**
   * Gives disks children, at new paths, to which the guest writes from now on; the disks stay as they are. All of them
   * at one moment: no request is carried out between the first and the last. @throws OperatingError when one cannot
   * have a child: then those that got theirs are merged again.
   */
  async branch(children: readonly { readonly address: StorageAddress; readonly path: string }[]): Promise<void> {
    const done: StorageAddress[] = [];
    for (const host of this.#hosts) host.hold();
    try {
      for (const { address, path } of children) {
        await this.#at(address).change({ kind: 'branch', lun: address.lun, path });
        done.push(address);
      }
    } catch (error) {
      // A disk is merged while the threads go on.
      this.goOn();
      for (const address of done) await this.merge(address);
      throw error;
    }
    this.goOn();
  }

  /** Puts another medium into a DVD drive; none with undefined. */
  async changeMedium(address: StorageAddress, path: string | undefined): Promise<void> {
    await this.#at(address).change({ kind: 'medium', lun: address.lun, path });
  }

  /** Ends the storage threads at once, as a crash would; new ones go on in their places. */
  async killThread(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.killThread()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.stop()));
  }

  /** Only while the guest is paused. */
  saveState(): StorageState[] {
    return this.#hosts.map((host) => host.saveState());
  }

  /** After a state was saved, when the guest goes on nonetheless. */
  goOn(): void {
    for (const host of this.#hosts) host.goOn();
  }

  restoreState(states: readonly StorageState[]): void {
    this.#hosts.forEach((host, index) => {
      const state = states[index];
      if (state !== undefined) host.restoreState(state);
    });
  }

  /** Counters by disk. */
  statistics(): object[] {
    return this.#hosts.flatMap((host) => host.statistics());
  }

  inspect(): object {
    const { paths } = this.#roomPause;
    return {
      ...(paths.length > 0 && { pausedForRoom: paths }), controllers: this.#hosts.map((host) => host.inspect()),
    };
  }

  #at({ controller, lun }: StorageAddress): StorageHost {
    const host = this.#hosts[controller];
    if (host?.units[lun] === undefined) {
      throw new OperatingError('bad-input', `there is no disk at ${lun} of controller ${controller}`);
    }
    return host;
  }

  async #startController(units: readonly (StorageDescription | undefined)[]): Promise<void> {
    const { description: { processors }, notice = (): void => {}, ...options } = this.#options;
    const host = new StorageHost({
      ...options, notice, units, controller: this.#hosts.length, channelCount: Math.min(processors, MAXIMUM_CHANNELS),
      onCondition: () => this.#roomPause.set(this.#hosts.flatMap((each) => each.fullDisks)),
    });
    await host.start();
    this.#hosts.push(host);
  }
}

/** Descriptions by controller and logical unit number: at their addresses, or in order where there is room. */
function placed(descriptions: readonly StorageDescription[]): (StorageDescription | undefined)[][] {
  const places: (StorageDescription | undefined)[] = [];
  for (const description of descriptions) {
    if (description.address === undefined) continue;
    const { controller, lun } = description.address;
    places[controller * DISKS_PER_CONTROLLER + lun] = description;
  }
  let next = 0;
  for (const description of descriptions) {
    if (description.address !== undefined) continue;
    while (places[next] !== undefined) next++;
    places[next] = description;
  }
  if (places.length > MAXIMUM_DISKS) {
    throw new OperatingError('unsupported', `a guest has at most ${MAXIMUM_DISKS} disks and drives`);
  }
  return Array.from({ length: Math.ceil(places.length / DISKS_PER_CONTROLLER) }, (_, controller) =>
    Array.from(places.slice(controller * DISKS_PER_CONTROLLER, (controller + 1) * DISKS_PER_CONTROLLER)));
}
