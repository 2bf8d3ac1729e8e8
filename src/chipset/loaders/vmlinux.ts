/**
 * Takes the ELF kernel out of a bzImage: its compressed payload lies where the set-up header says
 * [Linux, Documentation/arch/x86/boot.rst, payload_offset and payload_length]. Started by its PVH entry it saves the
 * guest the unpacking, at the price of a kernel that is always at the same address.
 */
import { gunzipSync } from 'node:zlib';
import { decompress } from 'fzstd';
import { isBzImage, parseBzImage } from './bzimage.ts';
import { isElf } from './elf.ts';
import { refuse, type Refusal } from './low-memory.ts';
import { decodeLz4Legacy, LZ4_LEGACY_MAGIC } from './lz4-legacy.ts';

/** Debian's kernels unpack to 40 … 80 MiB. */
const UNPACKED_BYTES_MAX = 256 * 2 ** 20;
const GZIP_MAGIC = 0x8b1f;
const ZSTD_MAGIC = 0xfd2f_b528;
/** The build appends the unpacked size, except to gzip, which has it at its end anyway. */
const SIZE_BYTES = 4;

/** The ELF file, or why there is none. */
export function extractVmlinux(bzImage: Uint8Array): { kind: 'extracted'; elf: Uint8Array } | Refusal {
  if (!isBzImage(bzImage)) return refuse('the file is not a bzImage');
  const image = parseBzImage(bzImage);
  if (image.kind === 'refused') return image;
  const payload = bzImage.subarray(image.payloadOffset, image.payloadOffset + image.payloadLength);
  if (payload.length < 2 * SIZE_BYTES) return refuse('the kernel file is damaged: it has no compressed kernel');
  const magic = new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0, true);
  const decode = decoderOf(magic);
  if (decode === undefined) {
    return refuse('the kernel is compressed in a way that is not read here; LZ4, zstd and gzip are');
  }
  const elf = decode(payload);
  if (elf === undefined || !isElf(elf)) {
    return refuse('the kernel file is damaged: its compressed kernel does not unpack');
  }
  return { kind: 'extracted', elf };
}

function decoderOf(magic: number): ((payload: Uint8Array) => Uint8Array | undefined) | undefined {
  if (magic === LZ4_LEGACY_MAGIC) return (payload) => decodeLz4Legacy(payload, UNPACKED_BYTES_MAX);
  if (magic === ZSTD_MAGIC) return decodeZstd;
  if ((magic & 0xffff) === GZIP_MAGIC) return decodeGzip;
  return undefined;
}

function decodeGzip(payload: Uint8Array): Uint8Array | undefined {
  try {
    return gunzipSync(payload, { maxOutputLength: UNPACKED_BYTES_MAX });
  } catch {
    return undefined;
  }
}

/** The decoder writes to the memory that it is given, so that a hostile frame cannot make it take more. */
function decodeZstd(payload: Uint8Array): Uint8Array | undefined {
  const end = payload.length - SIZE_BYTES;
  const size = new DataView(payload.buffer, payload.byteOffset + end, SIZE_BYTES).getUint32(0, true);
  if (size > UNPACKED_BYTES_MAX) return undefined;
  try {
    return decompress(payload.subarray(0, end), new Uint8Array(size));
  } catch {
    return undefined;
  }
}
