/**
 * What a virtual machine is made from, how its run can end, and what it needs from whoever runs it. Plain values: the
 * command line makes them, the machine reads them.
 */

import type { Worker } from 'node:worker_threads';
import type { ProcessorLevel, ProcessorModel } from '../hypervisor/processor-model.ts';
import type { Clock } from '../kit/clock.ts';
import type { NetworkEndpoint } from '../kit/network-endpoint.ts';
import type { HeartbeatHealth } from '../vsp/heartbeat/device.ts';
import type { NicSettings } from '../vswitch/service/configuration.ts';

export type { HeartbeatHealth, ProcessorLevel, ProcessorModel };
export { DEFAULT_MODEL, PROCESSOR_LEVELS, processorModel } from '../hypervisor/processor-model.ts';

/** Below this no 64-bit kernel that we know gets as far as its console. */
export const MINIMUM_MEMORY_BYTES = 16 * 2 ** 20;
/** Guest memory and the engine's tables share one WebAssembly memory of at most 4 GiB. */
export const MAXIMUM_MEMORY_BYTES = 3840 * 2 ** 20;
/** Of a partition. More than the host has is slow, and works. */
export const MAXIMUM_PROCESSORS = 64;

export type TraceKind = 'exits' | 'instructions';

/** What a run that can be had twice follows from, beside kernel and initrd. */
export interface DeterministicDescription {
  /** Of 64 bits: all randomness follows from it. */
  readonly seed: bigint;
  /** Where what is typed on the console goes, with the virtual times. */
  readonly recordFile?: string;
  /** Such a record, typed again in place of what is typed now. */
  readonly replayFile?: string;
  /** Translated code is interpreted, too, and the first difference ends the run: slow, and not the same run again. */
  readonly lockstep?: boolean;
}

export interface GdbDescription {
  /** TCP port of the loopback interface; 0 for any that is free. */
  readonly port: number;
  /** The guest does not start before a debugger says so. */
  readonly wait: boolean;
}

/** Where a disk or a drive is. */
export interface StorageAddress {
  readonly controller: number;
  readonly lun: number;
}

/** A disk image of the host. */
export interface DiskDescription {
  readonly kind?: 'disk' | undefined;
  readonly path: string;
  readonly readOnly: boolean;
  /** 'none' keeps what it reads and writes out of the host's memory; 'host' by default. */
  readonly cache?: 'host' | 'none' | undefined;
  /**
   * It is merged into its parent while the guest runs, which then is the disk. The parent's path once that is known:
   * its own file is gone at the end.
   */
  readonly merge?: true | string | undefined;
  /** What the guest knows it by, when that is no longer the disk's path. */
  readonly identity?: string | undefined;
  /** Operations a second, a started 8 KiB being one, and bytes a second; without it as much as goes. */
  readonly limits?: { readonly operations?: number | undefined; readonly bytes?: number | undefined } | undefined;
  /** By default the next place that is free. */
  readonly address?: StorageAddress | undefined;
}

/** A DVD drive; without a path it is empty. */
export interface DvdDescription {
  readonly kind: 'dvd';
  readonly path?: string | undefined;
  readonly address?: StorageAddress | undefined;
}

/** What is at a SCSI address: the first is 0:0:0 of the first controller, the next 0:0:1. */
export type StorageDescription = DiskDescription | DvdDescription;

export const MAXIMUM_CONTROLLERS = 4;
export const DISKS_PER_CONTROLLER = 64;
export const MAXIMUM_DISKS = MAXIMUM_CONTROLLERS * DISKS_PER_CONTROLLER;
/** As many as Hyper-V gives a guest. */
export const MAXIMUM_NICS = 8;

/** A port of the host's loopback that reaches a port of the guest. */
export interface ForwardDescription {
  readonly protocol: 'tcp' | 'udp';
  readonly hostPort: number;
  readonly guestPort: number;
}

export const MAXIMUM_FORWARDS = 64;

/** A network adapter and what it is plugged into. */
export interface NicDescription {
  /** `nat`, or the name of a switch. */
  readonly network: string;
  /** Six bytes in hexadecimal, separated by dashes or colons; by default one of Hyper-V's pool. */
  readonly mac?: string;
  /** What it is called on its switch, which nobody else there is; by default made from the process and its place. */
  readonly name?: string;
  /** Behind NAT only. */
  readonly forwards?: readonly ForwardDescription[];
  /** Its place among the guest's NICs; by default the first that is free. */
  readonly slot?: number;
  /** What its port on the switch is set to; the switch's own configuration for that name goes before. */
  readonly settings?: Partial<NicSettings>;
}

/** Makes a NIC's end of the network that it is plugged into. */
export type ConnectNetwork = (nic: NicDescription, index: number) => NetworkEndpoint;

export interface MachineDescription {
  /**
   * Path of a bzImage, an ELF file with a PVH note, or a multiboot 1 kernel. Without one the first disk says what is
   * booted, anew at each start: what its own boot loader would take.
   */
  readonly kernel?: string;
  /** Only with a kernel. */
  readonly initrd?: string;
  /** Of the kernel; of a system on a disk what its own command line lacks of these words is put behind that. */
  readonly commandLine: string;
  /** A whole number of MiB between the two bounds above. */
  readonly memoryBytes: number;
  readonly processors: number;
  /** Which processor the guest sees; the default one is what runs ordinary software fastest. */
  readonly model?: ProcessorModel;
  readonly disks?: readonly StorageDescription[];
  /** A reset starts the guest again, reading kernel and initrd afresh; otherwise it ends the run. */
  readonly rebootInPlace: boolean;
  /** Port 0xf4 ends the run, as QEMU's isa-debug-exit does. */
  readonly debugExit: boolean;
  readonly trace?: TraceKind;
  /** The run can be had twice. For one processor without disks and network adapters. */
  readonly deterministic?: DeterministicDescription;
  /** A debugger may connect there; see `GdbServer`. */
  readonly gdb?: GdbDescription;
  /** Network adapters, in the order in which the guest is to find them. */
  readonly nics?: readonly NicDescription[];
}

/** What to make of a saved state beyond what it says itself. */
export interface RestoreRequest {
  readonly file: string;
  /** In place of the disks that it names, as many and in their order. */
  readonly disks?: readonly StorageDescription[];
  readonly rebootInPlace?: boolean;
  readonly debugExit?: boolean;
  readonly trace?: TraceKind;
  readonly gdb?: GdbDescription;
}

/** How a run ended by itself. */
export type MachineEnd =
  | { readonly kind: 'off' }
  /** Only when `rebootInPlace` is false. */
  | { readonly kind: 'reset' }
  /** The guest wrote its crash registers; `parameters` are the five of them in hexadecimal. */
  | { readonly kind: 'crash'; readonly parameters: readonly string[]; readonly trace: readonly string[] }
  /** A triple fault; only when `rebootInPlace` is false. */
  | { readonly kind: 'triple-fault'; readonly trace: readonly string[] }
  /** A byte was written to port 0xf4: `status` is (byte << 1) | 1, in one byte. */
  | { readonly kind: 'debug-exit'; readonly status: number }
  /** We failed: the engine or a device stopped for a reason of its own. */
  | { readonly kind: 'failed'; readonly message: string };

export interface MachinePorts {
  /** Takes a line for the person: what keeps the guest from running, and that it runs again. */
  readonly notice?: (line: string) => void;
  /** The networks that the description names, in place of the machine's own: `nat`. */
  readonly connectNetwork?: ConnectNetwork;
  /** Starts the switch process if none runs, for a machine whose own process may start no other. */
  readonly startSwitches?: () => Promise<void>;
  readonly console: {
    /** Takes what the guest wrote to its serial port. While a returned promise is open, the port accepts no more. */
    output(bytes: Uint8Array): Promise<void> | void;
  };
  /** The clock that the guest's wall clock follows by time synchronisation; the host's by default. */
  readonly clock?: Clock;
  /** The guest's heart began to beat, was lost, or is not to be expected any more. */
  readonly heartbeatChanged?: (health: HeartbeatHealth) => void;
  /** The guest was started again in place. */
  readonly restarted?: () => void;
  /** The thread of its first processor, if it was started before there was a machine. */
  readonly processorThread?: Worker | undefined;
}

/** A machine that was created, as its owner sees it. */
export interface RunnableMachine {
  /** Starts the guest; resolves when the run has ended by itself or was stopped (then with 'off'). Once. */
  start(): Promise<MachineEnd>;
  /**
   * Types on the guest's serial console. Bytes wait in a bounded buffer until the guest takes them; a returned promise
   * says that the buffer is full and resolves when there is room. Bytes that came while it was full are kept.
   */
  input(bytes: Uint8Array): Promise<void> | void;
  /** Stops the guest whatever it does, and gives back every thread and buffer, within the deadline. */
  stop(deadlineMs: number): Promise<void>;
  /**
   * Writes the guest's state to a file and switches the machine off: then the run has ended with 'off'.
   * @throws OperatingError when it cannot be written; the guest goes on.
   */
  save(file: string): Promise<void>;
  /** What `--stats` writes. */
  statistics(): object;
  /** A tree of live state, for people. */
  inspect(): object;
}

/**
 * Reads the files that the description names and prepares the guest.
 * @throws OperatingError for a file that cannot be read, is no kernel, or does not fit.
 */
export type CreateMachine = (description: MachineDescription, ports: MachinePorts) => Promise<RunnableMachine>;

/**
 * Makes the machine of a saved state, whose guest goes on at `start`. The file may be replaced or removed then, but
 * must not be written to.
 * @throws OperatingError for a file that is no state, is damaged, or does not go with its disks.
 */
export type RestoreMachine = (request: RestoreRequest, ports: MachinePorts) => Promise<RunnableMachine>;
