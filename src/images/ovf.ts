/**
 * A virtual machine as the Open Virtualization Format describes it [DMTF DSP0243 1.1]: what of it can be had here is
 * its processors, its memory, its disks in their order and how many network adapters it has.
 */

import { badArchive } from './bad-archive.ts';
import { type XmlElement, elementsOf, parseXml, textOf } from './xml.ts';

export interface OvfMachine {
  readonly name: string;
  readonly processors: number;
  readonly memoryBytes: number;
  /** The names of the images' files, in the order in which the machine has them. */
  readonly diskFiles: readonly string[];
  readonly nics: number;
}

/** [CIM_ResourceAllocationSettingData.ResourceType] */
const ResourceType = { Processor: '3', Memory: '4', Ethernet: '10', Disk: '17' } as const;
const MIB = 2 ** 20;
const WORDS: Readonly<Record<string, number>> = { kilobytes: 2 ** 10, megabytes: MIB, gigabytes: 2 ** 30 };

/** @throws OperatingError when it describes no machine, or one that cannot be had from it. */
export function parseOvf(text: string, what: string): OvfMachine {
  const root = parseXml(text, what);
  const systems = elementsOf(root, 'VirtualSystem');
  const [system] = systems;
  if (system === undefined) throw badArchive(`${what} describes no virtual machine`);
  if (systems.length > 1) throw badArchive(`${what} describes ${systems.length} virtual machines: export one by one`);
  const items = ['Item', 'StorageItem', 'EthernetPortItem'].flatMap((name) => elementsOf(system, name));
  const ofType = (type: string): XmlElement[] => items.filter((item) => textOf(item, 'ResourceType') === type);
  const [processor] = ofType(ResourceType.Processor);
  const [memory] = ofType(ResourceType.Memory);
  return {
    name: textOf(system, 'Name') || (system.attributes.get('id') ?? 'imported'),
    processors: processor === undefined ? 1 : quantityOf(processor, what),
    memoryBytes: memory === undefined ? 512 * MIB : quantityOf(memory, what) * unitOf(memory),
    diskFiles: diskFiles(root, ofType(ResourceType.Disk), what), nics: ofType(ResourceType.Ethernet).length,
  };
}

function quantityOf(item: XmlElement, what: string): number {
  const value = Number(textOf(item, 'VirtualQuantity') ?? '');
  if (Number.isInteger(value) && value > 0 && value < 2 ** 40) return value;
  throw badArchive(`${what} has the quantity ${JSON.stringify(textOf(item, 'VirtualQuantity') ?? '')}, which is none`);
}

/** "byte * 2^20", or a word of the time before. */
function unitOf(item: XmlElement): number {
  const unit = textOf(item, 'AllocationUnits')?.toLowerCase().replaceAll(/\s/g, '') ?? '';
  const power = /^byte\*2\^(\d{1,2})$/.exec(unit)?.[1];
  return power === undefined ? WORDS[unit] ?? MIB : 2 ** Number(power);
}

/** By controller and place on it: an item names a disk, that a file. */
function diskFiles(root: XmlElement, items: readonly XmlElement[], what: string): string[] {
  const files = new Map(elementsOf(root, 'File').map(({ attributes }) => [attributes.get('id'), attributes]));
  const disks = new Map(elementsOf(root, 'Disk').map(({ attributes }) => [attributes.get('diskId'), attributes]));
  const place = (item: XmlElement): number =>
    (Number(textOf(item, 'Parent')) || 0) * 1000 + (Number(textOf(item, 'AddressOnParent')) || 0);
  return [...items].sort((a, b) => place(a) - place(b)).map((item) => {
    const resource = textOf(item, 'HostResource') ?? '';
    const [, kind, id] = /(?:^|:|\/)(disk|file)\/(.+)$/.exec(resource) ?? [];
    const reference = kind === 'file' ? id : disks.get(id)?.get('fileRef');
    const file = files.get(reference);
    const name = file?.get('href');
    if (name === undefined) throw badArchive(`${what} has the disk ${JSON.stringify(resource)}, which has no file`);
    const compression = file?.get('compression') ?? 'identity';
    if (compression === 'identity') return name;
    throw badArchive(`${name} of ${what} is compressed with ${compression}: unpack it first`);
  });
}
