/** Lines that differ in a word or two, and what lines rest on. */

import type { ProofLine } from './line.ts';

/** What a running guest rests on. */
export const MACHINE = [
  'src/wire', 'src/kit', 'src/protocols', 'src/hypervisor', 'src/engine', 'src/chipset', 'src/vmbus', 'src/vsp',
  'src/storage', 'src/vswitch', 'src/machine', 'src/cli',
];
export const GUEST = [...MACHINE, 'src/images', 'guests', 'tests/guest.ts'];
/** What a guest in the process of its proof rests on. */
export const SERVICES = [...GUEST, 'tests/machine-guest.ts', 'tests/proofs/host-process.ts'];

export function boots(suite: string, version: string, form: 'bzimage' | 'pvh', processors = 1): ProofLine {
  const several = processors === 1 ? '' : ` on ${processors} processors`;
  return {
    name: `boots-${version}-${form}${processors === 1 ? '' : `-${processors}`}`,
    what: `Debian's cloud kernel ${version} (${form})${several} comes up with every integration service bound and no ` +
      'warning, and powers off with status 0, 25 times of 25',
    folders: [...GUEST, 'tests/proofs/boots.ts', 'tests/proofs/kernel-log.ts'],
    command: ['dist/tests/proofs/boots.js', suite, form, '25', String(processors)],
    deadlineMinutes: 120,
  };
}

export function initrd(suite: string, version: string): ProofLine {
  return {
    name: `initrd-${version}`,
    what: `Debian's own initrd, made in a guest of ours, boots its kernel ${version} to systemd's login`,
    folders: [...GUEST, 'tests/installed-disk.ts', 'tests/proofs/initrd.ts'],
    command: ['dist/tests/proofs/initrd.js', suite],
    deadlineMinutes: 180,
  };
}

export function offloads(suite: string, version: string): ProofLine {
  return {
    name: `offloads-${version}`,
    what: `kernel ${version} has every offload, its MTU, its channels and its link switched, and adapters that come `
      + 'and go, under traffic: no interface is lost and nothing complained of',
    folders: [
      ...SERVICES, 'tests/initramfs.ts', 'tests/program-files.ts', 'tests/adapter-switching.ts',
      'tests/network-peer.ts', 'tests/peer-stream.ts', 'tests/proofs/offloads.ts',
    ],
    command: ['dist/tests/proofs/offloads.js', suite],
    deadlineMinutes: 60,
  };
}

export function lockstep(form: string, words: string): ProofLine {
  return {
    name: `lockstep-${form}`,
    what: `translated code does what the interpreter does, compared at each of its regions over ${words}`,
    folders: [...GUEST, 'tests/initramfs.ts', 'tests/proofs/lockstep.ts', 'tests/proofs/workload.sh'],
    command: ['dist/tests/proofs/lockstep.js', form],
    deadlineMinutes: 300,
  };
}

export function fuzz(target: string, ...folders: string[]): ProofLine {
  return {
    name: `fuzz-${target}`,
    what: `${target} withstands 30 processor minutes of inputs, which reach four fifths of its branches`,
    folders: ['src/wire', 'src/kit', 'src/protocols', ...folders, `fuzz/${target}.ts`],
    command: ['dist/tools/fuzz-proof.js', target, '30'],
    deadlineMinutes: 600,
  };
}

export function installed(form: string, words: string): ProofLine {
  return {
    name: `debian-${form}`,
    what: `Debian, installed by a guest of ours, boots from ${words} without --kernel and takes a package`,
    folders: [...GUEST, 'tests/installed-disk.ts', 'tests/proofs/debian.ts'],
    command: ['dist/tests/proofs/debian.js', form],
    deadlineMinutes: 180,
  };
}
