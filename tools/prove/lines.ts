/** The lines that `npm run prove` knows, in the order in which it tries them. */

import type { ProofLine } from './line.ts';

/** What a running guest rests on. */
const MACHINE = [
  'src/wire', 'src/kit', 'src/protocols', 'src/hypervisor', 'src/engine', 'src/chipset', 'src/vmbus', 'src/vsp',
  'src/storage', 'src/vswitch', 'src/machine', 'src/cli',
];
const GUEST = [...MACHINE, 'src/images', 'guests', 'tests/guest.ts'];
/** What a guest in the process of its proof rests on. */
const SERVICES = [...GUEST, 'tests/machine-guest.ts', 'tests/proofs/host-process.ts'];

function boots(suite: string, version: string, form: 'bzimage' | 'pvh', processors = 1): ProofLine {
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

function initrd(suite: string, version: string): ProofLine {
  return {
    name: `initrd-${version}`,
    what: `Debian's own initrd, made in a guest of ours, boots its kernel ${version} to systemd's login`,
    folders: [...GUEST, 'tests/installed-disk.ts', 'tests/proofs/initrd.ts'],
    command: ['dist/tests/proofs/initrd.js', suite],
    deadlineMinutes: 180,
  };
}

function offloads(suite: string, version: string): ProofLine {
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

function lockstep(form: string, words: string): ProofLine {
  return {
    name: `lockstep-${form}`,
    what: `translated code does what the interpreter does, compared at each of its regions over ${words}`,
    folders: [...GUEST, 'tests/initramfs.ts', 'tests/proofs/lockstep.ts', 'tests/proofs/workload.sh'],
    command: ['dist/tests/proofs/lockstep.js', form],
    deadlineMinutes: 300,
  };
}

function fuzz(target: string, ...folders: string[]): ProofLine {
  return {
    name: `fuzz-${target}`,
    what: `${target} withstands 30 processor minutes of inputs, which reach four fifths of its branches`,
    folders: ['src/wire', 'src/kit', 'src/protocols', ...folders, `fuzz/${target}.ts`],
    command: ['dist/tools/fuzz-proof.js', target, '30'],
    deadlineMinutes: 600,
  };
}

function installed(form: string, words: string): ProofLine {
  return {
    name: `debian-${form}`,
    what: `Debian, installed by a guest of ours, boots from ${words} without --kernel and takes a package`,
    folders: [...GUEST, 'tests/installed-disk.ts', 'tests/proofs/debian.ts'],
    command: ['dist/tests/proofs/debian.js', form],
    deadlineMinutes: 180,
  };
}

export const LINES: readonly ProofLine[] = [
  boots('bookworm', '6.1', 'bzimage'),
  boots('bookworm', '6.1', 'pvh'),
  boots('trixie', '6.12', 'bzimage'),
  boots('trixie', '6.12', 'pvh'),
  boots('bookworm', '6.1', 'bzimage', 2),
  boots('bookworm', '6.1', 'bzimage', 4),
  boots('trixie', '6.12', 'bzimage', 2),
  boots('trixie', '6.12', 'bzimage', 4),
  {
    name: 'login',
    what: 'a Debian user space, as a large initramfs, boots to a login and powers off with status 0',
    folders: [...GUEST, 'tests/proofs/login.ts'],
    command: ['dist/tests/proofs/login.js'],
    deadlineMinutes: 60,
  },
  initrd('bookworm', '6.1'),
  initrd('trixie', '6.12'),
  installed('vhdx', 'a dynamic VHDX'),
  installed('vhdx-fixed', 'a fixed VHDX'),
  installed('vhd', 'a VHD'),
  installed('raw', 'a raw image'),
  installed('chain', 'a chain of three VHDX children'),
  {
    name: 'nat',
    what: 'on the NAT network a stock guest has names and forwards, is refused where nobody listens, takes 1 GiB by ' +
      'IPv4 and 128 MiB by IPv6 with the right checksum, and 10,000 flows of datagrams at once are answered',
    folders: [...SERVICES, 'tests/initramfs.ts', 'tests/program-files.ts', 'tests/proofs/nat.ts'],
    command: ['dist/tests/proofs/nat.js'],
    deadlineMinutes: 120,
  },
  {
    name: 'apt-proxy',
    what: "apt in a Debian guest takes a package through an HTTP proxy on the host's loopback",
    folders: [
      ...SERVICES, 'tests/proofs/debian-guest.ts', 'tests/proofs/package-repository.ts', 'tests/proofs/apt-proxy.ts',
    ],
    command: ['dist/tests/proofs/apt-proxy.js'],
    deadlineMinutes: 30,
  },
  {
    name: 'networks',
    what: 'guests on a private, an internal and an external switch reach whom they should by IPv4, IPv6, broadcast and '
      + 'multicast, and captures hold exactly the expected frames; as root',
    folders: [
      ...GUEST, 'src/host', 'src/index.ts', 'tests/initramfs.ts', 'tests/program-files.ts', 'tests/proofs/networks.ts',
    ],
    command: ['dist/tests/proofs/networks.js'],
    deadlineMinutes: 60,
  },
  {
    name: 'traffic',
    what: 'iperf3 over TCP and UDP with 1 and 4 streams and 200,000 requests with their responses between two guests '
      + 'on a switch, ten minutes and more: no error counter rises, and guests and switch agree to the frame',
    folders: [
      ...GUEST, 'src/host', 'src/index.ts', 'tests/initramfs.ts', 'tests/program-files.ts', 'tests/proofs/traffic.ts',
    ],
    command: ['dist/tests/proofs/traffic.js', '90', '200000'],
    deadlineMinutes: 120,
  },
  offloads('bookworm', '6.1'),
  offloads('trixie', '6.12'),
  {
    name: 'programs',
    what: 'python3, perl, openssl, gzip, awk, sort and gcc give the same output natively and in the guest',
    folders: [...GUEST, 'tests/initramfs.ts', 'tests/proofs/programs.ts', 'tests/proofs/workload.sh'],
    command: ['dist/tests/proofs/programs.js'],
    deadlineMinutes: 120,
  },
  {
    name: 'idle',
    what: 'an idle guest uses under 2 % of one core over 60 seconds',
    folders: [...GUEST, 'tests/proofs/idle.ts', 'tests/proofs/host-process.ts'],
    command: ['dist/tests/proofs/idle.js'],
    deadlineMinutes: 15,
  },
  {
    name: 'idle-2',
    what: 'an idle guest with all services on 2 processors uses under 2 % of one core over 60 seconds',
    folders: [...GUEST, 'tests/proofs/idle.ts', 'tests/proofs/host-process.ts'],
    command: ['dist/tests/proofs/idle.js', '2'],
    deadlineMinutes: 15,
  },
  {
    name: 'litmus',
    what: 'no outcome that x86 forbids in 10,000,000 rounds of each litmus program, locked and changing code right',
    folders: ['src/wire', 'src/kit', 'src/hypervisor', 'src/engine', 'tests/litmus', 'tests/proofs/litmus.ts'],
    command: ['dist/tests/proofs/litmus.js', '10000000'],
    deadlineMinutes: 240,
  },
  {
    name: 'stress',
    what: 'stress-ng on 2 processors: CPU, matrix, vm, fork, switch, signal, futex, memory order, verified, 10 minutes',
    folders: [
      ...GUEST, 'tests/initramfs.ts', 'tests/proofs/stress.ts', 'tests/proofs/kernel-log.ts',
    ],
    command: ['dist/tests/proofs/stress.js', '600'],
    deadlineMinutes: 60,
  },
  {
    name: 'processors',
    what: '4 processors go off and on 20 times and share a program, 16 and 64 work and reboot, without a complaint',
    folders: [...GUEST, 'tests/proofs/processors.ts', 'tests/proofs/kernel-log.ts'],
    command: ['dist/tests/proofs/processors.js'],
    deadlineMinutes: 120,
  },
  {
    name: 'memory',
    what: "memory beyond the guest's own is under 150 MB + 2 % of its RAM",
    folders: [...GUEST, 'tests/proofs/memory.ts', 'tests/proofs/host-process.ts'],
    command: ['dist/tests/proofs/memory.js'],
    deadlineMinutes: 15,
  },
  {
    name: 'reboots',
    what: 'reboot starts the guest again in place, 20 times of 20',
    folders: [...GUEST, 'tests/proofs/reboots.ts'],
    command: ['dist/tests/proofs/reboots.js', '20'],
    deadlineMinutes: 120,
  },
  {
    name: 'kexec',
    what: 'a second kernel is loaded with kexec, reaches user space and powers off with status 0',
    folders: [...GUEST, 'tests/initramfs.ts', 'tests/proofs/kexec.ts'],
    command: ['dist/tests/proofs/kexec.js'],
    deadlineMinutes: 30,
  },
  {
    name: 'crash-kernel',
    what: 'a kernel on 2 processors crashes into its crash kernel, which finds every service again and the memory',
    folders: [...GUEST, 'tests/initramfs.ts', 'tests/proofs/kexec-files.ts', 'tests/proofs/crash-kernel.ts'],
    command: ['dist/tests/proofs/crash-kernel.js', 'bookworm', '2'],
    deadlineMinutes: 30,
  },
  {
    name: 'services',
    what: "Debian's daemons tell name, kernel and addresses, exchange values both ways, freeze, and take a file",
    folders: [...SERVICES, 'src/host/guest-facts.ts', 'tests/proofs/debian-guest.ts', 'tests/proofs/services.ts'],
    command: ['dist/tests/proofs/services.js'],
    deadlineMinutes: 30,
  },
  {
    name: 'gdb',
    what: "a stock gdb breaks in start_kernel and in a user's program, steps a system call, and lets the guest go on",
    folders: [...GUEST, 'tests/initramfs.ts', 'tests/proofs/gdb.ts', 'tests/proofs/symbols.ts'],
    command: ['dist/tests/proofs/gdb.js'],
    deadlineMinutes: 30,
  },
  lockstep('tiny', "a boot with busybox's programs"),
  lockstep('debian', 'a boot with python3, perl, openssl, gzip, awk, sort and gcc'),
  {
    name: 'deterministic',
    what: 'a boot with gcc at work has the same trace hash twice, and another seed another',
    folders: [...GUEST, 'tests/initramfs.ts', 'tests/proofs/deterministic.ts'],
    command: ['dist/tests/proofs/deterministic.js'],
    deadlineMinutes: 60,
  },
  {
    name: 'hostile',
    what: 'an hour of guests that attack: the host neither throws, hangs nor grows, and another machine has its share',
    folders: [...MACHINE, 'tests/guest.ts', 'tests/hostile', 'tests/proofs/hostile.ts'],
    command: ['dist/tests/proofs/hostile.js', '60'],
    deadlineMinutes: 80,
  },
  fuzz('hypercalls', 'src/hypervisor'),
  fuzz('processor-intercepts', 'src/hypervisor'),
  fuzz('vmbus-messages', 'src/vmbus'),
  fuzz('vmbus-rings', 'src/vmbus'),
  fuzz('integration-services', 'src/vmbus', 'src/vsp/integration-channel.ts', 'src/vsp/heartbeat', 'src/vsp/kvp',
    'src/vsp/shutdown', 'src/vsp/timesync', 'src/vsp/vss', 'src/vsp/fcopy'),
  fuzz('hv-socket', 'src/vmbus', 'src/vsp/socket'),
  fuzz('loaders', 'src/chipset/loaders'),
  fuzz('boot-loaders', 'src/storage/boot'),
  fuzz('saved-state', 'src/machine/saved-state', 'tests/saved-states'),
  fuzz('chipset', 'src/chipset'),
  fuzz('input-record', 'src/machine/deterministic'),
  fuzz('gdb', 'src/machine/gdb', 'src/hypervisor'),
  {
    name: 'sockets',
    what: 'socat in a guest echoes 1 GiB over hv_sock, and 200 connections at once; ends and dies on either side',
    folders: [...SERVICES, 'tests/proofs/debian-guest.ts', 'tests/proofs/leaks.ts', 'tests/proofs/sockets.ts'],
    command: ['dist/tests/proofs/sockets.js', '1024'],
    deadlineMinutes: 60,
  },
  {
    name: 'rescind',
    what: 'every device is rescinded, and closed and opened by the guest, 1,000 times each, and nothing leaks',
    folders: [...SERVICES, 'tests/proofs/leaks.ts', 'tests/proofs/rescind.ts'],
    command: ['dist/tests/proofs/rescind.js', '1000'],
    deadlineMinutes: 180,
  },
  {
    name: 'modules',
    what: 'all drivers of the bus that Linux lets go are unloaded and loaded 100 times, and nothing leaks',
    folders: [...SERVICES, 'tests/initramfs.ts', 'tests/proofs/leaks.ts', 'tests/proofs/modules.ts'],
    command: ['dist/tests/proofs/modules.js', '100'],
    deadlineMinutes: 60,
  },
  {
    name: 'kexec-again',
    what: 'a kernel with all of its drivers jumps into the next with kexec 20 times, and nothing leaks',
    folders: [...SERVICES, 'tests/initramfs.ts', 'tests/proofs/kexec-files.ts', 'tests/proofs/leaks.ts',
      'tests/proofs/kexec-again.ts'],
    command: ['dist/tests/proofs/kexec-again.js', '20'],
    deadlineMinutes: 90,
  },
  {
    name: 'save',
    what: 'a guest saved at 20 random moments of boots and 20 of work goes on in another process, its results right',
    folders: [
      ...GUEST, 'src/host', 'src/index.ts', 'tests/traveller.ts', 'tests/travelling-work.ts', 'tests/initramfs.ts',
      'tests/proofs/kernel-log.ts', 'tests/proofs/save.ts',
    ],
    command: ['dist/tests/proofs/save.js', '4', '5', '1'],
    deadlineMinutes: 120,
  },
  {
    name: 'soak',
    what: 'eight hours of compiler, stress-ng and sockets on 2 processors, saved and restored every ten minutes: no ' +
      'failure, no growth',
    folders: [
      ...GUEST, 'src/host', 'src/index.ts', 'tests/traveller.ts', 'tests/travelling-work.ts', 'tests/initramfs.ts',
      'tests/proofs/kernel-log.ts', 'tests/proofs/host-process.ts', 'tests/proofs/soak.ts',
    ],
    command: ['dist/tests/proofs/soak.js', '8'],
    deadlineMinutes: 600,
  },
  {
    name: 'storage-thread',
    what: 'the storage thread is killed 50 times under fio, which verifies what it writes; the guest sees no error',
    folders: [...GUEST, 'tests/machine-guest.ts', 'tests/program-files.ts', 'tests/proofs/fio-guest.ts',
      'tests/proofs/storage-thread.ts'],
    command: ['dist/tests/proofs/storage-thread.js', '50'],
    deadlineMinutes: 60,
  },
  {
    name: 'fio-verify',
    what: 'fio --verify for ten minutes: random writes, discards and flushes, depth 32, four jobs, two disks; no ' +
      'error, and the images equal raw disks given the same writes',
    folders: [...GUEST, 'tests/machine-guest.ts', 'tests/program-files.ts', 'tests/kernel-modules.ts',
      'tests/proofs/fio-guest.ts', 'tests/proofs/fio-verify.ts'],
    command: ['dist/tests/proofs/fio-verify.js', '600'],
    deadlineMinutes: 60,
  },
  {
    name: 'kill-under-writes',
    what: 'kill -9 of the VM under fio, 50 times: images open, checks are clean, and every flushed write is there',
    folders: [...GUEST, 'tests/program-files.ts', 'tests/proofs/fio-guest.ts', 'tests/proofs/kill-under-writes.ts'],
    command: ['dist/tests/proofs/kill-under-writes.js', '50'],
    deadlineMinutes: 240,
  },
  {
    name: 'switch-kills',
    what: 'kill -9 of the switch process, 50 times under load: frames pass again within two seconds, none goes astray',
    folders: ['src/kit', 'src/protocols', 'src/vswitch', 'tests/proofs/switch-kills.ts'],
    command: ['dist/tests/proofs/switch-kills.js'],
    deadlineMinutes: 20,
  },
  {
    name: 'oracle',
    what: 'every ring-3 instruction form agrees with the host processor in 1,000 samples',
    folders: ['src/engine', 'tests/oracle'],
    command: ['dist/tests/oracle/full.js'],
    deadlineMinutes: 240,
  },
  {
    name: 'uptime',
    what: "an hour of uptime without a complaint in the kernel log, time within 50 ms of the host's",
    folders: [...GUEST, 'tests/proofs/uptime.ts'],
    command: ['dist/tests/proofs/uptime.js', '60'],
    deadlineMinutes: 80,
  },
  {
    name: 'node-24',
    what: 'the test suite passes on Node 24',
    folders: ['src', 'tests', 'tools', 'guests', 'package-lock.json'],
    command: ['dist/tests/proofs/node-24.js'],
    deadlineMinutes: 40,
  },
];
