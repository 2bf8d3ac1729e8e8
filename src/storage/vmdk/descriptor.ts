/** The descriptor of a VMDK: lines of `key=value`, and one for each extent [VMware Virtual Disk Format 5.0]. */

export interface VmdkExtent {
  readonly sectors: number;
  readonly type: string;
  /** As it is written there; a file's name is what is right. */
  readonly fileName: string;
  /** Of the first sector in a flat file. */
  readonly startSector: number;
}

export interface VmdkDescriptor {
  readonly createType: string;
  readonly hasParent: boolean;
  readonly extents: readonly VmdkExtent[];
}

const EXTENT = /^(?:RW|RDONLY|NOACCESS)\s+(\d{1,15})\s+([A-Z]+)(?:\s+"([^"]*)"(?:\s+(\d{1,15}))?)?/;
const NO_PARENT = 'ffffffff';

export function parseDescriptor(text: string): VmdkDescriptor {
  const value = (key: string): string | undefined =>
    new RegExp(`^[ \\t]*${key}[ \\t]*=[ \\t]*"?([^"\\r\\n]*?)"?[ \\t\\r]*$`, 'im').exec(text)?.[1];
  const extents = text.split('\n').flatMap((line): VmdkExtent[] => {
    const [, sectors, type, fileName = '', startSector = '0'] = EXTENT.exec(line.trim()) ?? [];
    if (sectors === undefined || type === undefined) return [];
    return [{ sectors: Number(sectors), type, fileName, startSector: Number(startSector) }];
  });
  const parent = value('parentCID')?.toLowerCase();
  return { createType: value('createType') ?? '', hasParent: parent !== undefined && parent !== NO_PARENT, extents };
}
