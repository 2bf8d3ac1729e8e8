/**
 * What `import … from 'partout'` gives a program: a host, and the virtual machines on it.
 *
 *     await using host = await Host.open();
 *     await using vm = await host.createVM({ name: 'a', image: 'tiny', memory: '256M' });
 *     await vm.start();
 */
export { Host, type HostOptions, type RestoreOptions } from './host/host.ts';
export { VM, type CopyFileOptions, type DeadlineOptions } from './host/vm.ts';
export type { ExecOptions, ExecResult } from './host/guest-commands.ts';
export type { FramePort, FramePortOptions } from './host/frame-port.ts';
export type { CapturedFrame, CaptureOptions, VirtualSwitch } from './host/virtual-switch.ts';
export type { NewSwitch, SwitchStatus } from './host/switches.ts';
export type { DiskOption, NicOption, VMOptions } from './host/vm-options.ts';
export type { GuestFacts } from './host/guest-facts.ts';
export type { Snapshot, SnapshotOptions, VMDisks } from './host/vm-disks.ts';
export type { GuestValues } from './host/guest-values.ts';
export type { HeartbeatMonitor } from './host/heartbeat.ts';
export type { Clock } from './kit/clock.ts';
export { OperatingError, type ErrorCode } from './kit/errors.ts';
export type { MachineEnd, NicDescription } from './machine/description.ts';
