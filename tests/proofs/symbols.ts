/**
 * The symbols of a running kernel as an ELF file that a debugger reads: names and addresses from /proc/kallsyms, and
 * nothing else [ELF specification, chapter 1]. For kernels whose debugging package is too large to fetch.
 */

const HEADER_BYTES = 64;
const SECTION_BYTES = 64;
const SYMBOL_BYTES = 24;
/** Global, and a function. */
const GLOBAL_FUNCTION = 0x12;
const ABSOLUTE = 0xfff1;
const SYMTAB = 2;
const STRTAB = 3;

/** @param text lines of `ADDRESS TYPE NAME` */
export function symbolFile(text: string): Buffer {
  const names: Buffer[] = [Buffer.alloc(1)];
  const symbols: Buffer[] = [Buffer.alloc(SYMBOL_BYTES)];
  let nameAt = 1;
  for (const [, address = '', name = ''] of text.matchAll(/^([\da-f]{16}) [tTwW] (\S+)\r?$/gm)) {
    const symbol = Buffer.alloc(SYMBOL_BYTES);
    symbol.writeUInt32LE(nameAt, 0);
    symbol.writeUInt8(GLOBAL_FUNCTION, 4);
    symbol.writeUInt16LE(ABSOLUTE, 6);
    symbol.writeBigUInt64LE(BigInt(`0x${address}`), 8);
    symbols.push(symbol);
    names.push(Buffer.from(`${name}\0`));
    nameAt += name.length + 1;
  }
  const [symbolBytes, nameBytes] = [Buffer.concat(symbols), Buffer.concat(names)];
  const sections = [
    section(0, 0, 0, 0), section(SYMTAB, HEADER_BYTES, symbolBytes.length, 2),
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
  bytes.writeUInt16LE(3, 60);
  // Sections have no names: the string table of symbols begins with an empty one.
  bytes.writeUInt16LE(2, 62);
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
