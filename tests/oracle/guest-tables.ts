/**
 * The smallest guest in which a user-mode instruction can run: page tables, descriptor tables and one HLT for each
 * exception, laid out so that user mode sees what native/runner.asm maps and what Linux's descriptor table holds.
 *
 *     guest-physical                          linear
 *     0x01000  GDT                            the first 64 KiB are at SUPERVISOR for privilege level 0
 *     0x02000  TSS
 *     0x03000  IDT
 *     0x04000  handlers: HLT every 16 bytes
 *     0x05000  stack of privilege level 0
 *     0x10000  page tables
 *     0x20000  code, data, read-only pages    CODE, DATA, READ_ONLY
 */

import { CODE, CODE_SIZE, DATA, DATA_SIZE, READ_ONLY, READ_ONLY_SIZE } from './record.ts';

export const RAM_SIZE = 0x20_0000;
export const SUPERVISOR = 0xffff_ffff_8000_0000n;
export const GDT = 0x1000;
export const GDT_LIMIT = 127;
export const TSS = 0x2000;
export const TSS_LIMIT = 0x67;
export const IDT = 0x3000;
export const HANDLERS = 0x4000;
export const STACK_TOP = 0x6000;
export const CODE_PAGES = 0x2_0000;
export const DATA_PAGES = CODE_PAGES + CODE_SIZE;
export const PAGE_TABLES = 0x1_0000;
export const TSS_SELECTOR = 0x40;
export const KERNEL_CODE = 0x10;

const PAGE_SIZE = 0x1000;
const PRESENT = 1n;
const WRITABLE = 2n;
const USER = 4n;
const USED = 0x60n;
const NO_EXECUTE = 1n << 63n;
const HLT = 0xf4;
/** INT3 and INTO may be executed in user mode. */
const USER_VECTORS = [3, 4];
const VECTORS = 256;

/** Linux's descriptor table, save the entry that holds the processor's number. */
const DESCRIPTORS: readonly bigint[] = [
  0n, 0x00cf_9b00_0000_ffffn, 0x00af_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn,
  0x00cf_fb00_0000_ffffn, 0x00cf_f300_0000_ffffn, 0x00af_fb00_0000_ffffn,
];

export function writeTables(ram: Uint8Array): void {
  const view = new DataView(ram.buffer, ram.byteOffset, ram.length);
  DESCRIPTORS.forEach((descriptor, n) => view.setBigUint64(GDT + n * 8, descriptor, true));
  const base = SUPERVISOR + BigInt(TSS);
  view.setBigUint64(GDT + TSS_SELECTOR, BigInt(TSS_LIMIT) | (base & 0xff_ffffn) << 16n | 0x8bn << 40n
    | (base >> 24n & 0xffn) << 56n, true);
  view.setBigUint64(GDT + TSS_SELECTOR + 8, base >> 32n, true);
  view.setBigUint64(TSS + 4, SUPERVISOR + BigInt(STACK_TOP), true);
  view.setUint16(TSS + 0x66, TSS_LIMIT + 1, true);
  for (let vector = 0; vector < VECTORS; vector++) writeGate(view, vector);
  ram.fill(HLT, HANDLERS, HANDLERS + VECTORS * 16);
  writePages(view);
}

function writeGate(view: DataView, vector: number): void {
  const target = SUPERVISOR + BigInt(HANDLERS + vector * 16);
  const privilege = USER_VECTORS.includes(vector) ? 3n : 0n;
  view.setBigUint64(IDT + vector * 16, (target & 0xffffn) | BigInt(KERNEL_CODE) << 16n
    | (0x8en | privilege << 5n) << 40n | (target >> 16n & 0xffffn) << 48n, true);
  view.setBigUint64(IDT + vector * 16 + 8, target >> 32n, true);
}

function writePages(view: DataView): void {
  let nextTable = PAGE_TABLES + PAGE_SIZE;
  const map = (linear: bigint, physical: number, rights: bigint): void => {
    let table = PAGE_TABLES;
    for (const shift of [39n, 30n, 21n]) {
      const entry = table + Number(linear >> shift & 511n) * 8;
      if (view.getBigUint64(entry, true) === 0n) {
        view.setBigUint64(entry, BigInt(nextTable) | PRESENT | WRITABLE | USER | USED, true);
        nextTable += PAGE_SIZE;
      }
      table = Number(view.getBigUint64(entry, true) & 0xf_ffff_f000n);
    }
    view.setBigUint64(table + Number(linear >> 12n & 511n) * 8, BigInt(physical) | PRESENT | USED | rights, true);
  };
  const mapAll = (linear: number, size: number, physical: number, rights: bigint): void => {
    for (let at = 0; at < size; at += PAGE_SIZE) map(BigInt(linear + at), physical + at, rights);
  };
  for (let at = 0; at < PAGE_TABLES; at += PAGE_SIZE) map(SUPERVISOR + BigInt(at), at, WRITABLE);
  mapAll(CODE, CODE_SIZE, CODE_PAGES, USER);
  mapAll(DATA, DATA_SIZE, DATA_PAGES, USER | WRITABLE | NO_EXECUTE);
  mapAll(READ_ONLY, READ_ONLY_SIZE, DATA_PAGES + DATA_SIZE, USER | NO_EXECUTE);
}
