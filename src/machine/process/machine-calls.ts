/** What a machine and its owner, in another process, ask of each other: plain values both ways. */
import type { GuestAddresses } from '../../vsp/kvp/device.ts';
import type { CopyOptions } from '../../vsp/fcopy/device.ts';
import type {
  DiskDescription, HeartbeatHealth, MachineDescription, MachineEnd, RestoreRequest, StorageAddress, StorageDescription,
} from '../description.ts';
import type { SnapshotChild } from '../snapshot.ts';

/** Whose values: what the host has left for the guest, what the guest has left for us, what its daemon says of it. */
export type ValuePool = 'host' | 'guest' | 'facts';

/** The machine's. What needs a driver or a daemon of the guest waits for it, at most `patienceMs`. */
export interface MachineCalls {
  /** First, and once. */
  create(description: MachineDescription): Promise<void>;
  /** In place of `create`; what the machine is made of, to begin anew later. */
  restore(request: RestoreRequest): Promise<MachineDescription>;
  /** As `RunnableMachine.start`. */
  start(): Promise<MachineEnd>;
  stop(deadlineMs: number): Promise<void>;
  /** As `RunnableMachine.save`. */
  save(file: string): Promise<void>;
  /** Answered when the guest has taken the bytes. */
  input(bytes: Uint8Array): Promise<void>;
  shutdown(restart: boolean, force: boolean, patienceMs: number): Promise<void>;
  values(pool: ValuePool, patienceMs: number): Promise<ReadonlyMap<string, string>>;
  /** In the host's pool. */
  setValue(key: string, value: string, patienceMs: number): Promise<void>;
  deleteValue(key: string, patienceMs: number): Promise<void>;
  /** The addresses of the NIC with that index. */
  addresses(nic: number, patienceMs: number): Promise<GuestAddresses>;
  copyFile(path: string, data: Uint8Array, options: CopyOptions, patienceMs: number): Promise<void>;
  /** Connects to a port of the guest, as `Machine.socket`; the owner numbers the stream. */
  connect(port: number, stream: number, timeoutMs: number | undefined): Promise<void>;
  listen(port: number): void;
  unlisten(port: number): void;
  /** Answered when there is room for more. */
  write(stream: number, bytes: Uint8Array): Promise<void>;
  end(stream: number): Promise<void>;
  destroy(stream: number): void;
  /** What there is now, each with its address. */
  disks(): readonly StorageDescription[];
  addDisk(disk: DiskDescription): Promise<StorageAddress>;
  removeDisk(address: StorageAddress): Promise<void>;
  resizeDisk(address: StorageAddress, sizeBytes: number): Promise<void>;
  /** `freezeMs` as in `takeSnapshot`. */
  snapshot(children: readonly SnapshotChild[], freezeMs: number | undefined): Promise<void>;
  mergeDisk(address: StorageAddress): Promise<string>;
  inspect(): object;
  statistics(): object;
}

/** Its owner's. */
export interface OwnerCalls {
  /** Answered when the reader wants more. */
  output(bytes: Uint8Array): Promise<void> | void;
  heartbeatChanged(health: HeartbeatHealth): void;
  restarted(): void;
  /** Starts the switch process, if none runs: the machine's own may start no other. */
  startSwitches(): Promise<void>;
  /** A program of the guest has connected to a port of the host; the machine numbers the stream, below zero. */
  accepted(port: number, stream: number): void;
  /** Answered when the reader wants more. */
  data(stream: number, bytes: Uint8Array): Promise<void>;
  ended(stream: number): void;
  closed(stream: number): void;
}
