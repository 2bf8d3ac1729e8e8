/**
 * A kernel module that hangs: a stock one whose first function is replaced by a loop with interrupts off, which ends
 * when a byte comes in at the serial port; after that the module is there and does nothing. The loop is
 *
 *             pushf
 *             cli
 *             mov $0x3fd, %dx         # line status [16550D, 8.6.3]
 *     wait:   in %dx, %al
 *             test $1, %al
 *             jz wait
 *             mov $0xf8, %dl
 *             in %dx, %al
 *             popf
 *             xor %eax, %eax
 *             ret
 */

import assert from 'node:assert/strict';

const LOOP = [
  0x9c, 0xfa, 0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0xb2, 0xf8, 0xec, 0x9d, 0x31, 0xc0, 0xc3,
];
/** The call at the start of each function, by which the kernel traces: it stays. */
const PROLOGUE_BYTES = 5;
const SECTION_BYTES = 64;
const RELOCATION_BYTES = 24;
/** Ends a signed module [Linux, kernel/module/signing.c]. One that is changed is refused, one without is not. */
const SIGNATURE_MARK = '~Module signature appended~\n';

interface Section {
  readonly offset: number;
  readonly size: number;
}

/** The sections of a relocatable ELF file by their names [System V ABI, gabi 4.1, section headers]. */
function sectionsOf(file: Buffer): Map<string, Section> {
  const table = Number(file.readBigUInt64LE(40));
  const headers = Array.from({ length: file.readUInt16LE(60) }, (_, index) => {
    const at = table + index * SECTION_BYTES;
    const offset = Number(file.readBigUInt64LE(at + 24));
    return { name: file.readUInt32LE(at), offset, size: Number(file.readBigUInt64LE(at + 32)) };
  });
  const names = headers[file.readUInt16LE(62)] ?? assert.fail('there are no names');
  return new Map(headers.map(({ name, offset, size }) => {
    const start = names.offset + name;
    return [file.toString('latin1', start, file.indexOf(0, start)), { offset, size }];
  }));
}

/** @param module a module whose first function begins its section `.init.text` and is longer than the loop. */
export function hangingModule(module: Uint8Array): Buffer {
  const file = Buffer.from(module);
  const sections = sectionsOf(file);
  const code = sections.get('.init.text');
  const relocations = sections.get('.rela.init.text');
  assert.ok(code && relocations && code.size >= PROLOGUE_BYTES + LOOP.length, 'the module has no room for the loop');
  file.set(LOOP, code.offset + PROLOGUE_BYTES);
  for (let at = relocations.offset; at < relocations.offset + relocations.size; at += RELOCATION_BYTES) {
    // Of no type: what is behind the first call is not to be filled in.
    if (file.readBigUInt64LE(at) >= PROLOGUE_BYTES) file.writeBigUInt64LE(0n, at + 8);
  }
  const mark = file.lastIndexOf(SIGNATURE_MARK);
  return mark < 0 ? file : file.subarray(0, mark);
}
