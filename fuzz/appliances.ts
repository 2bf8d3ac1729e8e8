/** Damaged appliances: descriptions of machines and archives are read or refused in a sentence. */

import { parseOvf } from '../src/images/ovf.ts';
import { readTarIndex } from '../src/images/tar-index.ts';
import { CrashFile, generator, type Medium } from '../src/storage/testing/crash-file.ts';
import { damage, mediumOf } from '../src/storage/testing/damage.ts';
import { checkRefusal } from './disk-use.ts';

const PIECES = [
  '<', '>', '/', '"', "'", '&', '&#', '&#x41;', '&lt;', '<!--', '-->', '<![CDATA[', ']]>', '<a>', '</a>', '<?', '?>',
  ' x="1"', '17', '-1', '9'.repeat(30), 'ovf:/disk/d', 'ovf:/file/f', '<Item>', '</Item>', '<File id="f"/>', '\0',
];
const OVF = '<Envelope><References><File ovf:href="a.vmdk" ovf:id="f"/></References><DiskSection><Disk ovf:diskId="d" '
  + 'ovf:fileRef="f"/></DiskSection><VirtualSystem ovf:id="vm"><Name>n</Name><Item><r:ResourceType>3</r:ResourceType>'
  + '<r:VirtualQuantity>2</r:VirtualQuantity></Item><Item><r:ResourceType>17</r:ResourceType>'
  + '<r:HostResource>ovf:/disk/d</r:HostResource></Item></VirtualSystem></Envelope>';

export const target = {
  name: 'appliances',
  covers: ['src/images/ovf', 'src/images/xml', 'src/images/tar-index'],
  run(seed: number, iterations: number): void {
    const next = generator(seed);
    const archive = mediumOf(tarFile());
    for (let iteration = 0; iteration < iterations; iteration++) {
      attempt(() => parseOvf(changed(next), 'the machine'));
      attempt(() => checkIndex(damage(archive, [100, 124, 124, 257, 512], next)));
    }
  },
};

function attempt(act: () => void): void {
  try {
    act();
  } catch (error) {
    checkRefusal(error);
  }
}

function checkIndex(medium: Medium): void {
  const file = new CrashFile(medium, undefined, { readOnly: true });
  for (const { offset, sizeBytes } of readTarIndex(file)) {
    const isInside = offset >= 0 && sizeBytes >= 0 && offset + sizeBytes <= file.sizeBytes;
    if (!isInside) throw new Error(`${sizeBytes} bytes at ${offset}`);
  }
}

function changed(next: (limit: number) => number): string {
  let text = OVF;
  for (let count = 1 + next(5); count > 0; count--) {
    const at = next(text.length + 1);
    const end = next(3) === 0 ? at + next(12) : at;
    text = text.slice(0, at) + (next(3) === 0 ? '' : PIECES[next(PIECES.length)] as string) + text.slice(end);
  }
  return text;
}

/** Two files, the second with a size in binary. */
function tarFile(): Uint8Array {
  const bytes = Buffer.alloc(4096);
  for (const [at, name] of [[0, 'vm.ovf'], [1024, 'a.vmdk']] as const) {
    bytes.write(name, at, 'latin1');
    bytes.write('00000000012', at + 124, 'latin1');
    bytes.write('0', at + 156, 'latin1');
    bytes.write('ustar\0' + '00', at + 257, 'latin1');
  }
  bytes.fill(0, 1024 + 124, 1024 + 136);
  bytes[1024 + 124] = 0x80;
  bytes[1024 + 135] = 100;
  return bytes;
}
