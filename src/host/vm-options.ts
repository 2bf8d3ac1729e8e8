/** What a program says of the VM that it wants, and the machine's description that is made of it. */
import { buildImage } from '../images/build-image.ts';
import { ImageStore } from '../images/image-store.ts';
import { cacheDirectory } from '../kit/cache-directory.ts';
import { usage } from '../kit/errors.ts';
import { parseMacAddress } from '../kit/mac-address.ts';
import { parseSize } from '../kit/size.ts';
import {
  DEFAULT_MODEL, type DiskDescription, type MachineDescription, MAXIMUM_DISKS, MAXIMUM_MEMORY_BYTES, MAXIMUM_NICS,
  MAXIMUM_PROCESSORS, MINIMUM_MEMORY_BYTES, type NicDescription, PROCESSOR_LEVELS, type ProcessorLevel,
  processorModel, type ProcessorModel,
} from '../machine/description.ts';
import { SwitchDirectory } from '../vswitch/service/switch-directory.ts';
import type { VirtualSwitch } from './virtual-switch.ts';

/** What `vm.console` is to the guest: put behind a command line that has none. */
const SERIAL_CONSOLE = 'console=ttyS0';
const MIB = 2 ** 20;
const DEFAULT_MEMORY = '512M';
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** A disk image of the host; a path alone is one that is written to, through the host's page cache. */
export type DiskOption =
  string | { readonly path: string; readonly readOnly?: boolean; readonly cache?: 'host' | 'none' };

/** A network adapter by the name of its network, or on a switch, where it has the VM's name unless told. */
export type NicOption =
  NicDescription | (Omit<NicDescription, 'network'> & { readonly switch: VirtualSwitch | string });

export interface VMOptions {
  /** Unique on its host: letters, digits, dots, dashes. */
  readonly name: string;
  /** An image by its name, or `tiny` or `debian-initramfs` for the newest of the kind, built when there is none. */
  readonly image?: string;
  /** In place of an image: a bzImage, an ELF file with a PVH note, or a multiboot 1 kernel. */
  readonly kernel?: string;
  readonly initrd?: string;
  /** The kernel's command line; it follows the image's own. */
  readonly commandLine?: string;
  /** Bytes, or a size such as `512M`, which is the default. A whole number of MiB. */
  readonly memory?: number | string;
  /** Virtual processors, 1 by default. */
  readonly processors?: number;
  /** Which x86-64 level they are of; by default the one on which ordinary software runs fastest. */
  readonly cpu?: ProcessorLevel;
  /** SCSI 0:0:0, 0:0:1 and so on. */
  readonly disks?: readonly DiskOption[];
  /** Network adapters; by default one on the network `nat`. */
  readonly nics?: readonly NicOption[];
}

/** @throws OperatingError when `what` cannot be called so. */
export function expectName(name: string, what = 'a VM'): void {
  if (NAME.test(name)) return;
  throw usage(`${what}'s name is letters, digits, dots and dashes, not ${JSON.stringify(name)}`);
}

/** @throws OperatingError for what cannot be, in one sentence. */
export async function machineDescription(options: VMOptions): Promise<MachineDescription> {
  expectName(options.name);
  const memoryBytes = memoryOf(options.memory ?? DEFAULT_MEMORY);
  const processors = processorsOf(options.processors ?? 1);
  const model = modelOf(options.cpu ?? DEFAULT_MODEL.level);
  const disks = disksOf(options.disks ?? []);
  const nics = nicsOf(options.name, options.nics ?? [{ network: 'nat' }]);
  const software = await softwareOf(options);
  return { ...software, memoryBytes, processors, model, disks, nics, rebootInPlace: true, debugExit: false };
}

async function softwareOf(
  { name, image, kernel, initrd, commandLine = '', disks = [] }: VMOptions,
): Promise<Pick<MachineDescription, 'kernel' | 'initrd' | 'commandLine'>> {
  if (image === undefined) {
    // A system on a disk is found there.
    if (kernel === undefined && initrd === undefined && disks.length > 0) {
      return { commandLine: commandLine === '' ? SERIAL_CONSOLE : commandLine };
    }
    if (kernel === undefined) throw usage(`the VM ${name} has nothing to run: give an image, a kernel or a disk`);
    return { kernel, ...(initrd === undefined ? {} : { initrd }), commandLine };
  }
  if (kernel !== undefined || initrd !== undefined) {
    throw usage(`the VM ${name} has an image and a kernel or initrd: give one or the other`);
  }
  const store = new ImageStore(cacheDirectory());
  const isKind = image === 'tiny' || image === 'debian-initramfs';
  const built = isKind ? await store.find(image) ?? await buildImage(image) : await store.get(image);
  if (built.disk !== undefined) {
    throw usage(`the image ${image} is a disk: give the VM ${name} a child or a copy of ${built.disk} as a disk`);
  }
  return {
    kernel: built.kernel, initrd: built.initrd,
    commandLine: [built.commandLine, commandLine].filter((part) => part !== '').join(' '),
  };
}

function memoryOf(memory: number | string): number {
  const bytes = typeof memory === 'number' ? memory : parseSize('memory', memory);
  if (bytes % MIB === 0 && bytes >= MINIMUM_MEMORY_BYTES && bytes <= MAXIMUM_MEMORY_BYTES) return bytes;
  throw usage(`a VM's memory is a whole number of MiB between ${MINIMUM_MEMORY_BYTES / MIB}M and ` +
    `${MAXIMUM_MEMORY_BYTES / MIB}M, not ${memory}`);
}

function processorsOf(processors: number): number {
  if (Number.isInteger(processors) && processors >= 1 && processors <= MAXIMUM_PROCESSORS) return processors;
  throw usage(`a VM has 1 to ${MAXIMUM_PROCESSORS} processors, not ${processors}`);
}

function modelOf(level: string): ProcessorModel {
  const model = processorModel(level);
  if (model !== undefined) return model;
  throw usage(`a VM's cpu is one of ${PROCESSOR_LEVELS.join(', ')}, not ${level}`);
}

function disksOf(disks: readonly DiskOption[]): DiskDescription[] {
  if (disks.length > MAXIMUM_DISKS) throw usage(`a VM has at most ${MAXIMUM_DISKS} disks, not ${disks.length}`);
  return disks.map(diskOf);
}

export function diskOf(disk: DiskOption): DiskDescription {
  return typeof disk === 'string' ? { path: disk, readOnly: false }
    : { path: disk.path, readOnly: disk.readOnly ?? false, cache: disk.cache };
}

function nicsOf(vm: string, options: readonly NicOption[]): readonly NicDescription[] {
  if (options.length > MAXIMUM_NICS) throw usage(`a VM has at most ${MAXIMUM_NICS} NICs, not ${options.length}`);
  const nics = options.map((option, index) => nicOf(vm, option, index));
  const wrong = nics.find(({ mac }) => mac !== undefined && parseMacAddress(mac) === undefined);
  if (wrong !== undefined) {
    throw usage(`a NIC's mac is the address of one station such as 00-15-5d-00-00-01, not ${wrong.mac}`);
  }
  return nics;
}

function nicOf(vm: string, option: NicOption, index: number): NicDescription {
  if (!('switch' in option)) return option;
  const { switch: hub, ...rest } = option;
  const network = typeof hub === 'string' ? hub : hub.name;
  SwitchDirectory.open().read(network);
  return { name: index === 0 ? vm : `${vm}-${index}`, ...rest, network };
}
