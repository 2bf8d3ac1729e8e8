// The decoder: bytes → records, by the tables that the instruction rows become (isa/decoder-tables.ts says their form).
// A record is complete: the interpreter never looks at the bytes again.

import {
  ADDRESS, BASE_REGISTER, BYTES, CODE_BASE, COUNT, CPL, DEBUG_BREAKPOINTS,
  DECODE, DECODER_TABLES, DISPLACEMENT, DS, FORM, FPR, FS,
  FS_BASE, GS, GS_BASE, HANDLER, IMMEDIATE, INDEX_REGISTER, LENGTH, MODE, MODE_16, MODE_32, MODE_64, OFFSET, OP,
  OPERAND, OP_CROSS, OP_NEXT, THIRD, WIDE, CR0, OP_GENERATED, OP_STALE, OP_STOP, OP_TOO_LONG, OP_UNDEFINED, RECORD_SIZE,
  ENTER_COUNT, ENTER_SINCE, ENTER_TAG, INSTRUCTIONS, OP_ENTER,
  SCALE, SEGMENT, SEGMENT_BASE, SEGMENTS, SEGMENT_SIZE, BASE, SS, STEP_RECORDS, TARGET, TRANSLATE_AFTER, XMM, ZERO,
  RIP, CS, OP_SYSTEM, OP_SYSTEM_END, FORM_ALIGNED, FORM_LOCK, LINK,
} from "./layout";
import { cpu, raise, UD } from "./cpu";
import { configuration, hostOf, translateCode } from "./memory";
import { BLOCK_BRANCHES, BLOCK_RECORDS } from "./blocks";
import { mayBreak } from "./debug";
import {
  FLAG_ALIGNED, FLAG_DEFAULT64, FLAG_ENDS, FLAG_LOCK, FLAG_MODRM, FLAG_SIZED, FLAG_NEAR, FLAG_WRITES, FLAG_X87,
  KIND_ACCUMULATOR, KIND_CL, KIND_CONTROL, KIND_E, KIND_EB, KIND_G, KIND_GB, KIND_M, KIND_MEMORY_FIRST, KIND_N,
  KIND_OFFSET, KIND_ONE, KIND_P, KIND_Q, KIND_R, KIND_SEGMENT, KIND_U, KIND_V, KIND_W, KIND_Z, KIND_ZB,
  IMMEDIATE_BYTE, IMMEDIATE_BYTE_UNSIGNED, IMMEDIATE_ENTER, IMMEDIATE_FAR, IMMEDIATE_FULL, IMMEDIATE_RELATIVE,
  IMMEDIATE_RELATIVE_BYTE, IMMEDIATE_WORD, IMMEDIATE_Z, OP_BRANCH_FAR_DELTA, SELECT_MOD, SELECT_MODE, SELECT_PREFIX,
  SELECT_REG, SELECT_RM, SELECT_SMALL, SELECT_W, SELECT_L, LEAVES, VEX_MAPS,
  FLAG_SAME, FLAG_SCALAR, KIND_B, KIND_H, KIND_NONE, isExchange, SYSTEM_LOCKED,
} from "./generated/decoder-constants";

// State of the instruction being decoded. Globals, as the core returns single values.
let at: usize = 0; // next byte
let end: usize = 0; // first byte that can't be read
let short: bool = false; // ran into `end`
let mode: u32 = 0;
let rex: u32 = 0; // WRXB bits; bit 6 set when there is one
let operandSize: u32 = 0; // log2
let addressSize: u32 = 0; // log2
let modrm: u32 = 0;
let smallPrefix: u32 = 0; // 1 behind a 66
let vex: u32 = 0; // 0: no VEX prefix · 1: one with 128-bit vectors · 2: with 256-bit ones
let extra: u32 = 0; // the register in VEX.vvvv
let isExtraNamed: bool = false; // it is not the one that stands for none

function byte(): u32 {
  if (at >= end) {
    short = true;
    return 0;
  }
  return load<u8>(at++);
}

function signed(size: u32): i64 {
  if (at + size > end) {
    short = true;
    at = end;
    return 0;
  }
  const from = at;
  at += size;
  if (size == 1) return <i64>load<i8>(from);
  if (size == 2) return <i64>load<i16>(from);
  if (size == 4) return <i64>load<i32>(from);
  return load<i64>(from);
}

// @ts-ignore: decorator
@inline
function generalRegister(number: u32): u32 {
  return number << 3;
}

/** Offset of a byte register: without REX, 4…7 are AH CH DH BH. */
function byteRegister(number: u32): u32 {
  return (rex & 0x40) == 0 && number >= 4 && number < 8 ? ((number - 4) << 3) + 1 : number << 3;
}

/** Decodes the address of a ModRM memory operand into the record. */
function decodeAddress(record: usize, segment: i32): void {
  const mod = modrm >> 6;
  const rm = modrm & 7;
  let base: u32 = ZERO;
  let index: u32 = ZERO;
  let scale: u32 = 0;
  let displacement: i64 = 0;
  let implied: u32 = DS;
  if (addressSize == 1) {
    // 16-bit forms: BX+SI BX+DI BP+SI BP+DI SI DI BP BX.
    if (rm == 0 || rm == 1 || rm == 7) base = generalRegister(3);
    else if (rm == 2 || rm == 3 || (rm == 6 && mod != 0)) {
      base = generalRegister(5);
      implied = SS;
    } else if (rm == 4) base = generalRegister(6);
    else if (rm == 5) base = generalRegister(7);
    if (rm == 0 || rm == 2) index = generalRegister(6);
    else if (rm == 1 || rm == 3) index = generalRegister(7);
    if (mod == 1) displacement = signed(1);
    else if (mod == 2 || (mod == 0 && rm == 6)) displacement = signed(2);
  } else {
    let register = rm | ((rex & 1) << 3);
    let relative = false;
    if (rm == 4) {
      const sib = byte();
      register = (sib & 7) | ((rex & 1) << 3);
      const indexNumber = ((sib >> 3) & 7) | ((rex & 2) << 2);
      // Where an index is a vector, 4 is one, too: see vector/masked.ts.
      scale = sib >> 6;
      if (indexNumber != 4) index = generalRegister(indexNumber);
      if ((sib & 7) == 5 && mod == 0) displacement = signed(4);
      else base = generalRegister(register);
    } else if (rm == 5 && mod == 0) {
      displacement = signed(4);
      relative = mode == MODE_64;
    } else base = generalRegister(register);
    if (base == generalRegister(4) || base == generalRegister(5)) implied = SS;
    if (mod == 1) displacement = signed(1);
    else if (mod == 2) displacement = signed(4);
    if (relative) base = CODE_BASE; // the instruction's end is added once its length is known
  }
  store<u16>(record, <u16>base, BASE_REGISTER);
  store<u16>(record, <u16>index, INDEX_REGISTER);
  store<u8>(record, <u8>scale, SCALE);
  store<i32>(record, <i32>displacement, DISPLACEMENT);
  setSegment(record, segment < 0 ? implied : <u32>segment);
}

/** Chooses between the plain address path and the one with masks and checks. */
function setSegment(record: usize, segment: u32): void {
  store<u8>(record, <u8>segment, SEGMENT);
  const plain = mode == MODE_64 && addressSize == 3;
  store<u8>(record, plain ? 1 : 2, ADDRESS);
  let base: u32 = ZERO;
  if (segment == FS) base = FS_BASE;
  else if (segment == GS) base = GS_BASE;
  else if (mode != MODE_64) base = SEGMENTS + segment * SEGMENT_SIZE + BASE;
  store<u16>(record, <u16>base, SEGMENT_BASE);
}

/** Register offset of an operand of `kind` that is not in memory. */
function registerOperand(kind: u32, opcode: u32): u32 {
  const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
  const rm = (modrm & 7) | ((rex & 1) << 3);
  const low = (opcode & 7) | ((rex & 1) << 3);
  switch (kind) {
    case KIND_E:
    case KIND_R:
      return generalRegister(rm);
    case KIND_EB:
      return byteRegister(rm);
    case KIND_G:
      return generalRegister(reg);
    case KIND_GB:
      return byteRegister(reg);
    case KIND_Z:
      return generalRegister(low);
    case KIND_ZB:
      return byteRegister(low);
    case KIND_CL:
      return 8;
    case KIND_SEGMENT:
      return (modrm >> 3) & 7;
    case KIND_CONTROL:
      return reg;
    case KIND_V:
      return XMM + (reg << 5);
    case KIND_W:
    case KIND_U:
      return XMM + (rm << 5);
    case KIND_B:
      return generalRegister(extra);
    case KIND_H:
      return XMM + (extra << 5);
    case KIND_P:
      return FPR + ((reg & 7) << 4);
    case KIND_Q:
    case KIND_N:
      return FPR + ((rm & 7) << 4);
    default:
      return 0; // the accumulator, or none
  }
}

/** Of the direct branch that was decoded last: its target's offset from CODE_BASE, which may exceed 32 bits. */
let branchTarget: i64 = 0;
let isBranch: bool = false;

/** Reads the immediate into the record. */
function decodeImmediate(record: usize, kind: u32, offset: u32, start: usize): void {
  switch (kind) {
    case IMMEDIATE_BYTE:
      store<i64>(record, signed(1), IMMEDIATE);
      break;
    case IMMEDIATE_BYTE_UNSIGNED:
      store<u32>(record, <u32>byte(), IMMEDIATE); // the handler number lies in the upper half
      break;
    case IMMEDIATE_WORD:
      store<u32>(record, <u32>signed(2) & 0xffff, IMMEDIATE);
      break;
    case IMMEDIATE_Z:
      store<i64>(record, signed(operandSize == 1 ? 2 : 4), IMMEDIATE);
      break;
    case IMMEDIATE_FULL:
      store<i64>(record, signed(1 << operandSize), IMMEDIATE);
      break;
    case IMMEDIATE_ENTER:
      store<u32>(record, (<u32>signed(2) & 0xffff) | (byte() << 16), IMMEDIATE);
      break;
    case IMMEDIATE_FAR: {
      // Offset in the displacement, selector in the immediate.
      store<i32>(record, <i32>signed(operandSize == 1 ? 2 : 4) & (operandSize == 1 ? 0xffff : -1), DISPLACEMENT);
      store<u32>(record, <u32>signed(2) & 0xffff, IMMEDIATE);
      break;
    }
    case IMMEDIATE_RELATIVE_BYTE:
    case IMMEDIATE_RELATIVE: {
      const size: u32 = kind == IMMEDIATE_RELATIVE_BYTE ? 1 : mode == MODE_64 || operandSize != 1 ? 4 : 2;
      const distance = signed(size);
      isBranch = true;
      branchTarget = <i64>(offset + <u32>(at - start)) + distance;
      store<i32>(record, <i32>branchTarget, DISPLACEMENT);
      break;
    }
  }
}

/** Walks the decoder's selectors from the opcode's node to a leaf; 0 is an undefined instruction. */
function findLeaf(map: u32, opcode: u32, prefix: u32): usize {
  const tables: usize = load<u32>(configuration, DECODER_TABLES);
  let node: u32 = load<u16>(tables + (((map << 8) + opcode) << 1));
  let haveModrm = false;
  while (node != 0 && (node & 0x8000) == 0) {
    const selector = tables + (<usize>node << 1);
    const kind = load<u16>(selector);
    let choice: u32 = 0;
    if (kind == SELECT_PREFIX) choice = prefix;
    else if (kind == SELECT_MODE) choice = u32(mode == MODE_64);
    else if (kind == SELECT_W) choice = (rex >> 3) & 1;
    else if (kind == SELECT_SMALL) choice = smallPrefix;
    else if (kind == SELECT_L) choice = u32(vex == 2);
    else {
      if (!haveModrm) {
        modrm = byte();
        at--;
        haveModrm = true;
        if (short) return 0;
      }
      if (kind == SELECT_REG) choice = (modrm >> 3) & 7;
      else if (kind == SELECT_RM) choice = modrm & 7;
      else choice = u32((modrm >> 6) == 3);
    }
    node = load<u16>(selector + 2 + (choice << 1));
  }
  return node == 0 ? 0 : tables + LEAVES + (<usize>(node & 0x7fff) << 4);
}

/**
 * Decodes the instruction at `start` (bytes up to `limit` can be read) at `offset` of its page into `record`.
 * Returns its length, or 0 when it reaches beyond `limit`. `linkable`: direct branches within the page may be linked.
 */
export function decodeOne(record: usize, start: usize, limit: usize, offset: u32, linkable: bool): u32 {
  at = start;
  end = limit;
  if (end > start + 15) end = start + 15;
  short = false;
  mode = load<u32>(cpu + MODE);
  rex = 0;
  modrm = 0;
  isBranch = false;
  store<u64>(record, 0);
  store<u64>(record, 0, 8);
  store<u64>(record, 0, 16);
  store<u64>(record, 0, 24);
  store<u16>(record, <u16>offset, OFFSET);
  store<u16>(record, ZERO, BASE_REGISTER);
  store<u16>(record, ZERO, INDEX_REGISTER);
  store<u16>(record, ZERO, SEGMENT_BASE);

  let small = false; // 66
  let address = false; // 67
  let repeat: u32 = 0;
  let lock = false;
  let segment: i32 = -1;
  let opcode = byte();
  while (!short) {
    if (opcode == 0x66) small = true;
    else if (opcode == 0x67) address = true;
    else if (opcode == 0xf2) repeat = 2;
    else if (opcode == 0xf3) repeat = 3;
    else if (opcode == 0xf0) lock = true;
    else if (opcode == 0x64) segment = FS;
    else if (opcode == 0x65) segment = GS;
    else if (opcode == 0x26 || opcode == 0x2e || opcode == 0x36 || opcode == 0x3e) {
      if (mode != MODE_64) segment = (opcode - 0x26) >> 3;
    } else if (mode == MODE_64 && (opcode & 0xf0) == 0x40) {
      rex = opcode;
      opcode = byte();
      // Only directly before the opcode a REX counts.
      if (isPrefix(opcode)) {
        rex = 0;
        continue;
      }
      break;
    } else break;
    opcode = byte();
  }

  smallPrefix = u32(small);
  vex = 0;
  let map: u32 = 0;
  let wrong = false;
  if ((opcode & 0xfe) == 0xc4 && !short && isVex()) {
    wrong = small || lock || rex != 0 || repeat != 0;
    const fields = vexFields(opcode);
    repeat = (fields & 3) == 3 ? 2 : (fields & 3) == 2 ? 3 : 0;
    small = (fields & 3) == 1;
    map = fields >> 2;
    opcode = byte();
  } else if (opcode == 0x0f) {
    opcode = byte();
    map = 1;
    if (opcode == 0x38 || opcode == 0x3a) {
      map = opcode == 0x38 ? 2 : 3;
      opcode = byte();
    }
  }
  if (mode == MODE_64) {
    operandSize = (rex & 8) != 0 ? 3 : small && vex == 0 ? 1 : 2;
    addressSize = address ? 2 : 3;
  } else {
    operandSize = vex != 0 || (mode == MODE_32) != small ? 2 : 1;
    addressSize = (mode == MODE_32) != address ? 2 : 1;
  }
  const prefix: u32 = repeat == 2 ? 3 : repeat == 3 ? 2 : small ? 1 : 0;
  // 90 with REX.B is XCHG R8, RAX and not NOP.
  const row = map == 0 && opcode == 0x90 && (rex & 1) != 0 && repeat != 3 ? 0x91 : opcode;
  const leaf = short ? 0 : findLeaf(map, row, prefix);
  if (leaf != 0) decodeOperands(record, leaf, opcode, start, offset, segment, repeat, lock, linkable);
  else if (!short) store<u16>(record, OP_UNDEFINED, OP);
  if (wrong) store<u16>(record, OP_UNDEFINED, OP);
  if (short) {
    if (end != start + 15) return 0;
    store<u16>(record, OP_TOO_LONG, OP);
  }
  store<u8>(record, <u8>(at - start), LENGTH);
  if (load<u8>(record, ADDRESS) != 0 && load<u16>(record, BASE_REGISTER) == CODE_BASE) {
    store<i32>(record, load<i32>(record, DISPLACEMENT) + <i32>offset + <i32>(at - start), DISPLACEMENT);
  }
  return <u32>(at - start);
}

/** Behind C4 or C5: outside 64-bit mode they are LES and LDS unless what follows would name a register. */
function isVex(): bool {
  if (mode == MODE_64) return true;
  const next = byte();
  at--;
  return !short && (next & 0xc0) == 0xc0 && (load<u64>(cpu + CR0) & 1) != 0;
}

/** Takes the rest of a VEX prefix: bits of `rex`, `vex` and `extra`. Returns the prefix it stands for, and the map. */
function vexFields(opcode: u32): u32 {
  const first = byte();
  let last = first;
  let map: u32 = 1;
  rex = (~first >> 5) & 4;
  if (opcode == 0xc4) {
    last = byte();
    rex = ((~first >> 5) & 7) | ((last >> 4) & 8);
    map = first & 31;
    if (map > 3) map = 0;
  }
  extra = (~last >> 3) & 15;
  isExtraNamed = extra != 0;
  if (mode != MODE_64) {
    rex &= 8;
    extra &= 7;
  }
  vex = 1 + ((last >> 2) & 1);
  return (last & 3) | ((map + VEX_MAPS) << 2);
}

function isPrefix(value: u32): bool {
  if (value == 0x66 || value == 0x67 || value == 0xf0 || value == 0xf2 || value == 0xf3) return true;
  if (value == 0x64 || value == 0x65 || (value & 0xe7) == 0x26) return true;
  return (value & 0xf0) == 0x40;
}

/** x87 environments and states are shorter with a 16-bit operand size. */
function operandBytes(bytes: u16, x87: bool): u16 {
  if (!x87 || operandSize != 1) return bytes;
  return bytes == 28 ? 14 : bytes == 108 ? 94 : bytes;
}

/** Fills the record from its leaf. */
function decodeOperands(
  record: usize, leaf: usize, opcode: u32, start: usize, offset: u32, segment: i32, repeat: u32, lock: bool,
    linkable: bool
): void {
  const flags = load<u16>(leaf, 12);
  if (vex != 0 && (flags & FLAG_SCALAR) != 0) vex = 1;
  if (mode == MODE_64) {
    if ((flags & FLAG_NEAR) != 0) operandSize = 3;
    else if ((flags & FLAG_DEFAULT64) != 0 && operandSize == 2) operandSize = 3;
  }
  const targetKind: u32 = load<u8>(leaf, 4);
  const operandKind: u32 = load<u8>(leaf, 5);
  let inMemory = false;
  if ((flags & FLAG_MODRM) != 0) {
    modrm = byte();
    inMemory = (modrm >> 6) != 3;
    if (targetKind == KIND_R || operandKind == KIND_R) inMemory = false; // MOV CR/DR ignore mod
  }
  if (inMemory) decodeAddress(record, segment);
  store<u16>(record, <u16>registerOperand(targetKind, opcode), TARGET);
  store<u16>(record, <u16>registerOperand(operandKind, opcode), OPERAND);
  if (targetKind == KIND_OFFSET || operandKind == KIND_OFFSET) {
    inMemory = true;
    decodeOffset(record, segment);
  }
  if (mode != MODE_64 && inMemory && (flags & FLAG_WRITES) != 0) store<u8>(record, 4, ADDRESS);
  const form = operandSize | (vex == 0 ? repeat << 2 : 0) | (lock ? FORM_LOCK : 0) | ((addressSize - 1) << 5);
  store<u8>(record, <u8>(form | ((flags & FLAG_ALIGNED) != 0 ? FORM_ALIGNED : 0)), FORM);
  decodeImmediate(record, load<u8>(leaf, 6), offset, start);
  if (operandKind == KIND_ONE) store<i64>(record, 1, IMMEDIATE);
  let op: u32 = inMemory ? load<u16>(leaf, 2) : load<u16>(leaf, 0);
  if ((flags & FLAG_SIZED) != 0) op += operandSize;
  if (load<u16>(leaf, 8) != 0xffff) {
    store<u16>(record, load<u16>(leaf, 8), HANDLER);
    const bytes = operandBytes(load<u16>(leaf, 10), (flags & FLAG_X87) != 0);
    store<u16>(record, vex == 2 && (flags & FLAG_SAME) == 0 ? bytes << 1 : bytes, BYTES);
    if (vex != 0) store<u8>(record, <u8>(vex | load<u16>(leaf, 14)), WIDE);
    if ((flags & FLAG_X87) != 0 && !inMemory) store<u32>(record, modrm & 7, IMMEDIATE);
  }
  const third: u32 = load<u8>(leaf, 7);
  if (third != KIND_NONE) store<u16>(record, <u16>registerOperand(third, opcode), THIRD);
  // A register that VEX names and nobody uses is none.
  if (vex != 0 && third == KIND_NONE && targetKind != KIND_B && targetKind != KIND_H && isExtraNamed) op = 0;
  if (op == 0 || (lock && ((flags & FLAG_LOCK) == 0 || !inMemory))) {
    store<u16>(record, OP_UNDEFINED, OP);
    return;
  }
  const immediate = load<u8>(leaf, 6);
  if (!inMemory && segment >= 0) store<u8>(record, <u8>segment, SEGMENT);
  else if (!inMemory) store<u8>(record, DS, SEGMENT);
  if ((immediate == IMMEDIATE_RELATIVE || immediate == IMMEDIATE_RELATIVE_BYTE) && load<u16>(leaf, 8) == 0xffff) {
    if (!linkable || branchTarget < 0 || branchTarget > 0xfff || operandSize == 1) {
      op += OP_BRANCH_FAR_DELTA;
      store<i64>(record, branchTarget, IMMEDIATE);
    }
  }
  if (inMemory && op >= <u32>OP_GENERATED && (lock || isExchange(op))) {
    // Above the 32 bits of an immediate there is room.
    store<u16>(record, SYSTEM_LOCKED, HANDLER);
    store<u16>(record, <u16>op, BYTES);
    op = OP_SYSTEM;
  }
  store<u16>(record, <u16>op, OP);
}

/** MOV with an absolute offset: A0…A3. */
function decodeOffset(record: usize, segment: i32): void {
  const offset = signed(1 << addressSize);
  setSegment(record, segment < 0 ? DS : <u32>segment);
  if (addressSize == 3) {
    // 64 bits do not fit the displacement: the upper half goes into IMMEDIATE and the address takes the slow path.
    store<u32>(record, <u32>(offset >> 32), IMMEDIATE);
    store<u8>(record, 3, ADDRESS);
  }
  store<i32>(record, <i32>offset, DISPLACEMENT);
}

/** A record that opens or closes a block. */
function closingRecord(record: usize, op: u32, offset: u32, count: u32): void {
  store<u64>(record, 0);
  store<u64>(record, 0, 8);
  store<u64>(record, 0, 16);
  store<u64>(record, 0, 24);
  store<u16>(record, <u16>op, OP);
  store<u16>(record, <u16>offset, OFFSET);
  store<u8>(record, <u8>count, COUNT);
}

/** The instruction ends straight-line code. */
function endsBlock(record: usize): bool {
  const op = load<u16>(record, OP);
  return op == OP_SYSTEM_END || op == OP_UNDEFINED || op == OP_TOO_LONG || isUnconditional(op);
}

import { isUnconditional } from "./generated/decoder-constants";

/** Decodes a block at `offset` of the page at host address `page`. Returns the number of records, at least 1. */
export function decodeBlock(first: usize, page: usize, offset: u32): u32 {
  closingRecord(first, OP_ENTER, offset, 0);
  store<i32>(first, load<i32>(configuration, TRANSLATE_AFTER), ENTER_COUNT);
  store<u32>(first, 0, ENTER_TAG);
  store<u32>(first, load<u32>(cpu + INSTRUCTIONS), ENTER_SINCE);
  let record = first + RECORD_SIZE;
  let count: u32 = 0;
  let branches: u32 = 0;
  while (count < BLOCK_RECORDS && branches < BLOCK_BRANCHES) {
    if (offset >= 0x1000) break;
    if (load<u32>(cpu + DEBUG_BREAKPOINTS) != 0 && mayBreak(offset)) {
      closingRecord(record, OP_CROSS, offset, count + 1);
      return count + 2;
    }
    const length = decodeOne(record, page + offset, page + 0x1000, offset, true);
    count++;
    if (length == 0) {
      closingRecord(record, OP_CROSS, offset, count);
      return count + 1;
    }
    store<u8>(record, <u8>count, COUNT);
    offset += length;
    if (endsBlock(record)) return count + 1;
    if (isBranch) branches++;
    record += RECORD_SIZE;
  }
  closingRecord(record, OP_NEXT, offset, count);
  // The interpreter links it, as it does a branch.
  if (offset < 0x1000) store<i32>(record, offset, DISPLACEMENT);
  return count + 2;
}

/**
 * Decodes the one instruction at RIP, which may cross a page, into STEP_RECORDS, and closes it with `closing`.
 * Raises what fetching its bytes raises.
 */
export function decodeStep(physical: u64, linear: u64, offset: u32, count: u32, closing: u32): usize {
  const record = cpu + STEP_RECORDS;
  const bytes = cpu + DECODE;
  const inPage: u32 = 0x1000 - (<u32>physical & 0xfff);
  const first: u32 = inPage < 15 ? inPage : 15;
  const start = hostOf(physical);
  if (start == 0) raise(UD); // code outside RAM: nothing that a guest may run
  memory.copy(bytes, start, first);
  let length = decodeOne(record, bytes, bytes + first, offset, false);
  if (length == 0) {
    const host = hostOf(translateCode(linear + inPage));
    if (host != 0) memory.copy(bytes + first, host, 15 - first);
    else memory.fill(bytes + first, 0xff, 15 - first);
    length = decodeOne(record, bytes, bytes + 15, offset, false);
  }
  store<u8>(record, <u8>count, COUNT);
  closingRecord(record + RECORD_SIZE, closing, offset + length, count);
  return record;
}
