/**
 * The two headers of a VHDX file: the one with the higher sequence number is current, and the other is the place of the
 * next update, so that a torn write leaves the current one whole [MS-VHDX 2.2.2, 2.2.2.1].
 */

import { viewOf } from '../../kit/view.ts';
import {
  FILE_SIGNATURE, FileIdentifier, HEADER_BYTES, HEADER_OFFSETS, HEADER_SIGNATURE, LOG_VERSION, MIB, VHDX_VERSION,
  VhdxHeader,
} from '../../protocols/vhdx.ts';
import { readBytes, type BlockFile } from '../block-file.ts';
import { crc32cWithout } from '../crc32c.ts';
import { damaged, unsupported } from '../damaged.ts';
import { guidBytes, guidText } from '../guid.ts';

export interface HeaderValues {
  readonly sequenceNumber: number;
  /** Changes when the file is first written to. */
  readonly fileWriteGuid: string;
  /** Changes when what the disk holds is first changed; children know their parent by it. */
  readonly dataWriteGuid: string;
  /** Not null while the log may hold something. */
  readonly logGuid: string;
  readonly logVersion: number;
  readonly version: number;
  readonly logOffset: number;
  readonly logLength: number;
}

/** Far beyond what any writer makes; what is read of a log is held in memory. */
const LOG_BYTES_MAX = 128 * MIB;

export class Headers {
  readonly #file: BlockFile;
  #current: HeaderValues;
  #index: number;
  /** The other header is as the specification has it, too. */
  readonly isOtherValid: boolean;

  /** @throws OperatingError when the file is not a VHDX, or no header is whole. */
  constructor(file: BlockFile) {
    this.#file = file;
    const identifier = readBytes(file, 0, FileIdentifier.$size);
    if (FileIdentifier.signature.get(viewOf(identifier), 0) !== FILE_SIGNATURE) {
      throw damaged(file, 'it does not begin as a VHDX file');
    }
    const both = HEADER_OFFSETS.map((offset) => readHeader(file, offset));
    const [first, second] = both;
    this.#index = first !== undefined && (second?.sequenceNumber ?? -1) <= first.sequenceNumber ? 0 : 1;
    const current = both[this.#index];
    if (current === undefined) throw damaged(file, 'neither of its two headers is whole');
    this.isOtherValid = both[1 - this.#index] !== undefined;
    this.#current = current;
    checkHeader(file, current);
  }

  get current(): HeaderValues {
    return this.#current;
  }

  /** Both headers get the change, one after the other, each on the medium before the next thing happens. */
  update(change: Partial<HeaderValues>): void {
    this.#file.flushSync();
    for (let copy = 0; copy < 2; copy++) {
      const next = { ...this.#current, ...change, sequenceNumber: this.#current.sequenceNumber + 1 };
      const index = 1 - this.#index;
      this.#file.writeSync(encodeHeader(next), 0, HEADER_BYTES, HEADER_OFFSETS[index] as number);
      this.#file.flushSync();
      this.#current = next;
      this.#index = index;
    }
  }
}

export function encodeHeader(values: HeaderValues): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  VhdxHeader.encode(view, 0, {
    signature: HEADER_SIGNATURE, sequenceNumber: values.sequenceNumber,
    fileWriteGuid: guidBytes(values.fileWriteGuid), dataWriteGuid: guidBytes(values.dataWriteGuid),
    logGuid: guidBytes(values.logGuid), logVersion: values.logVersion, version: values.version,
    logLength: values.logLength, logOffset: values.logOffset,
  });
  VhdxHeader.checksum.set(view, 0, crc32cWithout(bytes, VhdxHeader.checksum.offset));
  return bytes;
}

function readHeader(file: BlockFile, offset: number): HeaderValues | undefined {
  const bytes = readBytes(file, offset, HEADER_BYTES);
  const view = viewOf(bytes);
  const header = VhdxHeader.decode(view, 0);
  if (header.signature !== HEADER_SIGNATURE) return undefined;
  if (header.checksum !== crc32cWithout(bytes, VhdxHeader.checksum.offset)) return undefined;
  return {
    ...header, fileWriteGuid: guidText(header.fileWriteGuid), dataWriteGuid: guidText(header.dataWriteGuid),
    logGuid: guidText(header.logGuid),
  };
}

function checkHeader(file: BlockFile, header: HeaderValues): void {
  if (header.version !== VHDX_VERSION) {
    throw unsupported(file, `it is of VHDX version ${header.version}, and ${VHDX_VERSION} is known`);
  }
  if (header.logVersion !== LOG_VERSION) {
    throw unsupported(file, `its log is of version ${header.logVersion}, and ${LOG_VERSION} is known`);
  }
  const { logOffset, logLength } = header;
  if (logOffset < MIB || logOffset % MIB !== 0 || logLength < MIB || logLength % MIB !== 0) {
    throw damaged(file, `its log is said to be at ${logOffset} with ${logLength} bytes: both are whole MiB`);
  }
  if (logLength > LOG_BYTES_MAX || logOffset + logLength > file.sizeBytes) {
    throw damaged(file, `its log of ${logLength} bytes at ${logOffset} does not fit into ${file.sizeBytes} bytes`);
  }
}
