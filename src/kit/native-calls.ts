/**
 * The C library, for the few things that Node has no function for. It is reached through koffi, an optional dependency:
 * whoever asks gets nothing where that is absent, and does without.
 */
import { createRequire } from 'node:module';

/** Memory outside of JavaScript's, which does not move: its address can lie in a structure. Never given back. */
export interface NativeMemory {
  readonly address: bigint;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Memory that a descriptor shares with the system. */
export interface MappedMemory {
  readonly buffer: ArrayBuffer;
  readonly address: bigint;
  /** Safety: nothing of `buffer` is touched after it. */
  unmap(): void;
}

export interface NativeCalls {
  /**
   * A function by its prototype; what it returns is a number.
   * Safety: the prototype and what the caller passes are right.
   */
  function(prototype: string): (...parameters: unknown[]) => number;
  /** What the last call of this thread left in `errno`. */
  errno(): number;
  /** Zeros. */
  allocate(byteCount: number): NativeMemory;
  /** Undefined: the system does not do that; `errno` says why. */
  map(descriptor: number, byteCount: number): MappedMemory | undefined;
}

/** [mmap(2)] PROT_READ | PROT_WRITE, and MAP_SHARED. */
const READ_AND_WRITE = 3;
const SHARED = 1;

/** What we use of koffi. */
interface Koffi {
  load(library: string): { func(prototype: string): (...parameters: unknown[]) => unknown };
  errno(): number;
  address(pointer: unknown): bigint;
  view(pointer: unknown, byteCount: number): ArrayBuffer;
}

export function loadNativeCalls(): NativeCalls | undefined {
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch {
    return undefined;
  }
  const library = koffi.load('libc.so.6');
  const calloc = library.func('void *calloc(size_t count, size_t size)');
  const map =
    library.func('void *mmap(void *at, size_t length, int protection, int flags, int descriptor, long offset)');
  const unmap = library.func('int munmap(void *at, size_t length)');
  return {
    function: (prototype) => library.func(prototype) as (...parameters: unknown[]) => number,
    errno: () => koffi.errno(),
    allocate: (byteCount) => {
      const pointer = calloc(byteCount, 1);
      return { address: koffi.address(pointer), bytes: new Uint8Array(koffi.view(pointer, byteCount)) };
    },
    map: (descriptor, byteCount) => {
      const pointer = map(null, byteCount, READ_AND_WRITE, SHARED, descriptor, 0);
      const address = koffi.address(pointer);
      if (BigInt.asIntN(64, address) === -1n) return undefined;
      return { buffer: koffi.view(pointer, byteCount), address, unmap: () => { unmap(pointer, byteCount); } };
    },
  };
}
