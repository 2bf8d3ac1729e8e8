/**
 * Decompression of what packages and kernel modules come in: gzip, xz and zstd, told by their first bytes. The result
 * has a limit that the caller names, so a small hostile file cannot fill the memory.
 */

import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import xzDecompress from 'xz-decompress';
import { badArchive } from './bad-archive.ts';
import { zstdFrames } from './zstd-frames.ts';

const MAGICS: readonly (readonly [kind: string, bytes: readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];

/**
 * The decompressed bytes, or the same ones if they are not compressed.
 * @param what names the data in an error: "data.tar.xz"
 */
export async function decompress(data: Uint8Array, maxBytes: number, what: string): Promise<Uint8Array> {
  const kind = MAGICS.find(([, magic]) => magic.every((byte, index) => data[index] === byte))?.[0];
  switch (kind) {
    case undefined:
      return data;
    case 'gzip':
      return await decompressGzip(data, maxBytes, what);
    case 'xz':
      return await decompressXz(data, maxBytes, what);
    case 'zstd':
      return decompressZstd(data, maxBytes, what);
    default:
      throw badArchive(`${what} is compressed with ${kind}: gzip, xz and zstd are read`);
  }
}

async function decompressGzip(data: Uint8Array, maxBytes: number, what: string): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(data, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(what, maxBytes);
    throw damaged(what, 'gzip');
  }
}

/** The decoder itself limits the dictionary to 64 MiB. */
async function decompressXz(data: Uint8Array, maxBytes: number, what: string): Promise<Uint8Array> {
  const source = new ReadableStream<Uint8Array>({
    start(controller): void {
      controller.enqueue(data);
      controller.close();
    },
  });
  const output = new Output(maxBytes);
  const reader = new xzDecompress.XzReadableStream(source).getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw damaged(what, 'xz');
    });
    if (done) return output.join();
    if (!output.push(value)) {
      // Node 24 cancels a decoder that has just ended, which it answers with an error.
      await reader.cancel().catch(() => {});
      throw tooLarge(what, maxBytes);
    }
  }
}

function decompressZstd(data: Uint8Array, maxBytes: number, what: string): Uint8Array {
  const output = new Output(maxBytes);
  for (const frame of zstdFrames(data)) {
    const decoder = new Decompress((chunk) => {
      if (!output.push(chunk)) throw tooLarge(what, maxBytes);
    });
    try {
      decoder.push(frame, true);
    } catch (error) {
      throw output.isFull ? error : damaged(what, 'zstd');
    }
  }
  return output.join();
}

/** Collects pieces up to a limit. */
class Output {
  readonly #pieces: Uint8Array[] = [];
  readonly #maxBytes: number;
  #sizeBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isFull(): boolean {
    return this.#sizeBytes > this.#maxBytes;
  }

  /** Takes a piece; false once there is more than the limit. */
  push(piece: Uint8Array): boolean {
    this.#sizeBytes += piece.length;
    if (this.isFull) return false;
    this.#pieces.push(piece);
    return true;
  }

  join(): Uint8Array {
    return Buffer.concat(this.#pieces, this.#sizeBytes);
  }
}

function tooLarge(what: string, maxBytes: number): Error {
  return badArchive(`${what} unpacks to more than the ${Math.floor(maxBytes / 2 ** 20)} MiB that are allowed for it`);
}

function damaged(what: string, kind: string): Error {
  return badArchive(`${what} is damaged: its ${kind} data does not decompress`);
}
