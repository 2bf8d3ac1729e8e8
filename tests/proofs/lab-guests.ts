/** Small stock guests on a virtual switch of the library, for proofs that judge what passes between them. */

import assert from 'node:assert/strict';
import type { Host, VirtualSwitch, VM } from 'partout';
import type { GuestImage } from '../guest.ts';

/** Runs a shell's line in a guest; what it prints. It must succeed. */
export async function runIn(vm: VM, line: string, deadlineMs: number): Promise<string> {
  const { stdout, stderr, exitCode } = await vm.exec(['sh', '-c', line], { deadlineMs });
  assert.equal(exitCode, 0, `${vm.name}: ${line}: ${stdout}${stderr}`);
  return stdout;
}

/** Starts guests of these names, each with one NIC of its name, and has each run the line of its name. */
export async function startOnSwitch(host: Host, lab: VirtualSwitch, options: {
  readonly image: Pick<GuestImage, 'kernel' | 'initrd' | 'commandLine'>;
  readonly memory: string;
  /** By name: what gives the guest its addresses. */
  readonly lines: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
}): Promise<VM[]> {
  const { image: { kernel, initrd, commandLine }, memory, lines, deadlineMs } = options;
  const guests: VM[] = [];
  for (const [name, line] of Object.entries(lines)) {
    const vm = await host.createVM({
      name, kernel, initrd, commandLine: `${commandLine} partout.address=none`, memory, nics: [{ switch: lab, name }],
    });
    await vm.start();
    await runIn(vm, line, deadlineMs);
    guests.push(vm);
  }
  return guests;
}

/** The line that gives a guest the address of that number, of the network that these proofs have. */
export function addressLine(number: number): string {
  return `ip addr add 10.5.0.${number}/24 dev eth0; ip link set eth0 up`;
}
