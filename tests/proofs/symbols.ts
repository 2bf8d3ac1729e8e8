/**
 * The symbols of a running kernel as an ELF file that a debugger reads: names and addresses from /proc/kallsyms, and
 * nothing else [ELF specification, chapter 1]. For kernels whose debugging package is too large to fetch.
 */

const HEADER_BYTES = 64;
const SECTION_BYTES = 64;
const SYMBOL_BYTES = 24;
/** Global, and a function. */
const GLOBAL_FUNCTION = 0x12;
const SYMTAB = 2;
const STRTAB = 3;
const NOBITS = 8;
/** Taken into memory, and executable. */
const CODE = 6;
const KERNEL_START = 0xffff_ffff_8000_0000n;
const KERNEL_BYTES = 0x4000_0000;
/** Sections by number: the kernel's code, of which nothing is here, symbols, names. */
const TEXT_SECTION = 1;
const NAME_SECTION = 3;
const TEXT_NAME = '.text';

/** @param text lines of `ADDRESS TYPE NAME` */
export function symbolFile(text: string): Buffer {
  const names: Buffer[] = [Buffer.from(`\0${TEXT_NAME}\0`)];
  const symbols: Buffer[] = [Buffer.alloc(SYMBOL_BYTES)];
  let nameAt = TEXT_NAME.length + 2;
  for (const [, address = '', name = ''] of text.matchAll(/^([\da-f]{16}) [tTwW] (\S+)\r?$/gm)) {
    const symbol = Buffer.alloc(SYMBOL_BYTES);
    symbol.writeUInt32LE(nameAt, 0);
    symbol.writeUInt8(GLOBAL_FUNCTION, 4);
    symbol.writeUInt16LE(TEXT_SECTION, 6);
    symbol.writeBigUInt64LE(BigInt(`0x${address}`), 8);
    symbols.push(symbol);
    names.push(Buffer.from(`${name}\0`));
    nameAt += name.length + 1;
  }
  const [symbolBytes, nameBytes] = [Buffer.concat(symbols), Buffer.concat(names)];
  const sections = [
    section(0, 0, 0, 0), textSection(), section(SYMTAB, HEADER_BYTES, symbolBytes.length, NAME_SECTION),
    section(STRTAB, HEADER_BYTES + symbolBytes.length, nameBytes.length, 0),
  ];
  return Buffer.concat([header(HEADER_BYTES + symbolBytes.length + nameBytes.length), symbolBytes, nameBytes,
    ...sections]);
}

/** Of an executable for x86-64. */
function header(sectionsAt: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.writeUInt16LE(2, 16);
  bytes.writeUInt16LE(62, 18);
  bytes.writeUInt32LE(1, 20);
  bytes.writeBigUInt64LE(BigInt(sectionsAt), 40);
  bytes.writeUInt16LE(HEADER_BYTES, 52);
  bytes.writeUInt16LE(SECTION_BYTES, 58);
  bytes.writeUInt16LE(4, 60);
  bytes.writeUInt16LE(NAME_SECTION, 62);
  return bytes;
}

/** A debugger breaks at functions in code alone. */
function textSection(): Buffer {
  const bytes = section(NOBITS, HEADER_BYTES, KERNEL_BYTES, 0);
  bytes.writeUInt32LE(1, 0);
  bytes.writeBigUInt64LE(BigInt(CODE), 8);
  bytes.writeBigUInt64LE(KERNEL_START, 16);
  return bytes;
}

function section(type: number, offset: number, size: number, link: number): Buffer {
  const bytes = Buffer.alloc(SECTION_BYTES);
  bytes.writeUInt32LE(type, 4);
  bytes.writeBigUInt64LE(BigInt(offset), 24);
  bytes.writeBigUInt64LE(BigInt(size), 32);
  bytes.writeUInt32LE(link, 40);
  bytes.writeUInt32LE(1, 44);
  bytes.writeBigUInt64LE(BigInt(type === SYMTAB ? SYMBOL_BYTES : 0), 56);
  return bytes;
}
