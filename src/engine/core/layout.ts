// The processor's state in the engine's memory: offsets from the processor's base, and bit constants, declared once for
// both compilers (AssemblyScript imports './layout', TypeScript './layout.ts'). Everything is little-endian.
//
//   0x0000  registers that instructions touch       0x1000  SOURCE scratch, 4 KiB
//   0x0400  XMM                                      0x2000  DESTINATION scratch, 4 KiB
//   0x0600  x87 and MXCSR                            0x4000  decode scratch
//                                                    0x8000  what other threads ask of the processor
//                                                    0x1fc00 what the TLB lost last
//   0x0640  which jumps are known                    0x20000 TLB
//                                                    0x38000 known jumps

// General registers in encoding order: RAX RCX RDX RBX RSP RBP RSI RDI R8 … R15, 8 bytes each.
export const GPR = 0x000;
export const RAX = 0x00;
export const RCX = 0x08;
export const RDX = 0x10;
export const RBX = 0x18;
export const RSP = 0x20;
export const RBP = 0x28;
export const RSI = 0x30;
export const RDI = 0x38;
export const R11 = 0x58;
// Always zero: the base, index or segment of an address that has none.
export const ZERO = 0x080;
// Instruction-pointer space address of the page that runs: RIP = CODE_BASE + offset in page. Also the base of
// RIP-relative operands.
export const CODE_BASE = 0x088;
export const RIP = 0x090;
// Lazy arithmetic flags, see flags.ts.
export const FLAGS_RESULT = 0x098; // i64
export const FLAGS_AUX = 0x0a0; // u32
export const RFLAGS = 0x0a4; // u32, without CF PF AF ZF SF OF
export const INSTRUCTION = 0x0a8; // u32, the record that runs
export const EXIT_REQUEST = 0x0ac; // i32, atomic: REQUEST_ bits that other threads set
export const BUDGET = 0x0b0; // i32, instructions left in this slice
export const MODE = 0x0b4; // u32, MODE_16, MODE_32 or MODE_64: how code is decoded
export const CPL = 0x0b8; // u32
export const TLB_BASE = 0x0bc; // u32, address of the TLB of the current privilege
export const SHADOW = 0x0c0; // u32, 1 after STI, 2 after MOV SS, until the next instruction is through
export const SHADOW_MOV_SS = 2;
export const HALTED = 0x0c4; // u32
export const WINDOW = 0x0c8; // u32, 1: stop when an interrupt can be taken
export const NMI_BLOCKED = 0x0cc; // u32
export const STEPPING = 0x0d0; // u32, not 0: one instruction at a time (TF, debug registers, tracer)
export const FPU_BLOCKED = 0x0d4; // u32, bit 0 x87, bit 1 MMX, bit 2 SSE instructions must take their checks
export const STACK_MASK = 0x0d8; // u32, 0: RSP, 1: ESP, 2: SP is the stack pointer
export const PENDING_DEBUG = 0x0dc; // u32, DR6 bits to report after this instruction
export const INSTRUCTIONS = 0x0e0; // u64, executed so far (at the slice's start)
export const SLICE_START = 0x0e8; // i32, budget at the slice's start
export const NMI_PENDING = 0x0f0; // u32, one that came while blocked
export const WATCHING = 0x0f4; // u32, data breakpoints are armed
export const TRACING = 0x0f8; // u32, 1: every instruction goes into TRACE_RING
export const TRACED = 0x0fc; // u32, entries written so far
export const EVENTS = 0x0ec; // u32, exceptions delivered

// Segments: ES CS SS DS FS GS LDTR TR, 32 bytes each.
export const SEGMENTS = 0x100;
export const SEGMENT_SIZE = 0x20;
export const SELECTOR = 0x00; // u32
export const ATTRIBUTES = 0x04; // u32, descriptor high word bits 8..23 shifted right by 8; bit 16: unusable
export const LIMIT = 0x08; // u32, in bytes, last valid offset
export const BASE = 0x10; // u64
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;
export const LDTR = 6;
export const TR = 7;
export const FS_BASE = 0x190;
export const GS_BASE = 0x1b0;

export const GDTR_BASE = 0x200;
export const GDTR_LIMIT = 0x208;
export const IDTR_BASE = 0x210;
export const IDTR_LIMIT = 0x218;
export const CR0 = 0x220;
export const CR2 = 0x228;
export const CR3 = 0x230;
export const CR4 = 0x238;
export const EFER = 0x240;
export const XCR0 = 0x248;
export const DR0 = 0x250; // DR0 … DR3
export const DR6 = 0x270;
export const DR7 = 0x278;
export const STAR = 0x280;
export const LSTAR = 0x288;
export const CSTAR = 0x290;
export const FMASK = 0x298;
export const KERNEL_GS_BASE = 0x2a0;
export const SYSENTER_CS = 0x2a8;
export const SYSENTER_ESP = 0x2b0;
export const SYSENTER_EIP = 0x2b8;
export const TSC_AUX = 0x2c0;
export const PAUSES = 0x2c8; // u32, PAUSE instructions so far
export const SPINS_LONG = 0x2cc; // u32, 1: they were many since `run` began

// Flags that a region leaves: how they were made, and from what (lazy-flags.ts).
export const LAZY_KIND = 0x2e0; // u32
export const LAZY_A = 0x2d0; // u64
export const LAZY_B = 0x2d8; // u64

// The exception being raised; read by whoever catches the unwinding.
export const FAULT_VECTOR = 0x300; // u32
export const FAULT_ERROR = 0x304; // u32
export const FAULT_HAS_ERROR = 0x308; // u32
export const FAULT_NESTED = 0x30c; // u32, vector being delivered + 1, for double faults
export const FAULT_ADDRESS = 0x310; // u64

// What a debugger outside the guest asks of the processor (debugger.ts writes it while the processor is paused).
export const DEBUG_BREAKPOINTS = 0x360; // u32, entries of BREAKPOINT_LIST
export const DEBUG_WATCHPOINTS = 0x364; // u32, entries of WATCHPOINT_LIST
export const DEBUG_SKIP = 0x368; // u64, linear address where no breakpoint stops the processor the next time
export const DEBUG_HIT = 0x370; // u32, number + 1 of the watchpoint that the last instruction hit
export const DEBUG_ONCE = 0x374; // u32, 1: stop after one instruction

// Words in which 64-bit values cross between the engine and the microkernel.
export const DATA = 0x340; // 8 × u32

// x87 registers by physical number (not ST), 16 bytes each: mantissa u64, sign and exponent u16. MMX lies in the
// mantissas.
export const FPR = 0x380;
// XMM0 … XMM15, 32 bytes apart (the upper halves are YMM's).
export const XMM = 0x400;
export const XMM_STRIDE = 0x20;
export const FCW = 0x600; // u16
export const FSW = 0x604; // u16, without TOP
export const FTOP = 0x608; // u32, 0..7
export const FTAG = 0x60c; // u8, bit n set: physical register n is not empty (as in FXSAVE)
export const FOP = 0x610; // u16
export const FIP = 0x618; // u64
export const FDP = 0x620; // u64
export const MXCSR = 0x628; // u32
export const FCS = 0x62c; // u16
export const FDS = 0x62e; // u16
export const AVX_BLOCKED = 0x630; // u32, not 0: AVX instructions must take their checks

// Where jumps lead: a line of the host's caches each. One holds while its tag is JUMP_TAG: not over a change of
// privilege, or when a translation was forgotten.
export const JUMP_TAG = 0x640; // u32, generation << 2 | number of the TLB in use
export const JUMP_GENERATION = 0x644; // u32, of the last generation, at least 1
export const USER_JUMPS = 0x64c; // u32, generation of what user mode knows
export const SYSTEM_JUMPS = 0x650; // u32, and of what a supervisor does
// u32, 1: a supervisor may execute pages that are not global, or lie in the lower half
export const SYSTEM_STRAYS = 0x654;
export const JUMP_CACHE = 0xa0000;
export const JUMP_ENTRIES = 8192;
export const JUMP_ENTRY = 32; // begins with RIP, u64
export const JUMP_ENTRY_TAG = 8; // u32
export const JUMP_ENTRY_RECORD = 12; // u32, the opening record of the block there
export const JUMP_ENTRY_REGION = 16; // u32, its region's place in the table of functions; 0: none
export const JUMP_ENTRY_PAGE = 20; // u32, guest-physical number of its page
export const JUMP_ENTRY_LEASE = 24; // u32, entries until the record is to count them

export const SOURCE = 0x1000;
export const DESTINATION = 0x2000;
export const DECODE = 0x4000;
export const STEP_RECORDS = 0x4100;
export const BREAKPOINT_LIST = 0x5000; // u64 each, linear addresses
export const BREAKPOINT_MOST = 256;
export const WATCHPOINT_LIST = 0x5800; // {address u64, length u32, kind u32} each
export const WATCHPOINT_MOST = 16;
export const WATCHPOINT_SIZE = 16;
export const WATCH_READ = 1; // kinds, as bits
export const WATCH_WRITE = 2;
export const TLB = 0x20000;
// Entries that the TLB lost last to others, of each of its kinds; in front of it, so that loops run over both.
export const VICTIM_COUNT = 8; // a power of two
export const VICTIMS_SIZE = 0x100; // of one TLB
export const VICTIMS = 0x1fc00;
export const NEXT_VICTIM = 0x648; // u32, the place that an entry went to last
// Entries of the TLBs that were filled since they were emptied, by their numbers, u16 each; those of global pages
// apart. They need not be all when there are more than fit.
export const FILLED_MOST = 2048;
export const FILLED = 0x18000;
export const FILLED_GLOBAL = 0x19000;
export const FILLED_COUNT = 0x658; // u32, may exceed what fits
export const FILLED_GLOBAL_COUNT = 0x65c; // u32
// The last instructions that ran while TRACING is 1: entries of 32 bytes {rip u64, mode u32, 0 u32, bytes}.
export const TRACE_RING = 0x10000;
export const TRACE_ENTRIES = 1024;
export const TRACE_ENTRY = 32;
export const TRACE_BYTES = 16; // offset of the instruction's bytes

// What other threads ask of the processor (processors.ts). Words that different threads write lie in lines of their
// own.
export const REQUEST_KICK = 1; // `run` is to return
export const REQUEST_DRAIN = 2; // there are invalidations to take
export const REQUEST_FORGET = 4; // they were too many, or a debugger is at work: forget all decoded code and tags
export const REQUEST_PARK = 8; // stop at the next poll until the bit is taken back
export const RUNNING = 0x8000; // i32, atomic: 1 while the processor may touch guest memory
export const INVALIDATION_LOCK = 0x8040; // i32, atomic: producers take turns
export const INVALIDATION_TAIL = 0x8044; // u32, atomic: entries ever put in
export const INVALIDATION_HEAD = 0x8080; // u32, atomic: entries ever taken
export const NAP = 0x80c0; // i32, always 0: to sleep on when nobody will wake the thread
// {u32, u32} each: host address and size that were written, or page number and 0: drop its write tags
export const INVALIDATIONS = 0x8100;
export const INVALIDATION_COUNT = 256; // a power of two
export const PROCESSOR_SIZE = 0x100000;

export const MODE_16 = 0;
export const MODE_32 = 1;
export const MODE_64 = 2;

export const CF = 0x1;
export const PF = 0x4;
export const AF = 0x10;
export const ZF = 0x40;
export const SF = 0x80;
export const TF = 0x100;
export const IF = 0x200;
export const DF = 0x400;
export const OF = 0x800;
export const IOPL = 0x3000;
export const NT = 0x4000;
export const RF = 0x10000;
export const VM = 0x20000;
export const AC = 0x40000;
export const ID = 0x200000;

// Offsets of the fields of one decoded instruction ("record"), 32 bytes.
export const OP = 0; // u16, case of the interpreter's dispatch
export const OFFSET = 2; // u16, of the instruction in its page
export const LENGTH = 4; // u8
export const COUNT = 5; // u8, instructions of the block up to and including this one
export const FORM = 6; // u8, see below
// u8, 0: register form · 1: plain 64-bit address · 2: masks or segment checks · 3: 64-bit offset · 4: as 2, written
export const ADDRESS = 7;
// u16, offset in the processor of the register operand written (or ModRM.reg of MOV to segment …)
export const TARGET = 8;
export const OPERAND = 10; // u16, offset of the register operand read
export const BASE_REGISTER = 12; // u16
export const INDEX_REGISTER = 14; // u16
export const SCALE = 16; // u8, shift
export const SEGMENT = 17; // u8
export const SEGMENT_BASE = 18; // u16, offset of the segment base to add
export const DISPLACEMENT = 20; // i32; of branches: target's offset from CODE_BASE
// i64; of vector instructions u8; of branches that leave the page as DISPLACEMENT, in 64 bits
export const IMMEDIATE = 24;
export const LINK = 24; // u32, record of the branch target once known; SCALE is LINKED then
export const LINKED = 0xff;
// u8, of an instruction with a VEX prefix: bits 0-1 its vectors' length, 1: 128, 2: 256 bits · 2-4 its shape (below) ·
// 5-7 bits by which the upper lane's immediate is shifted
export const WIDE = 25;
export const WIDE_LENGTH = 3;
export const WIDE_SHAPE = 2;
export const WIDE_SHAPE_MASK = 7;
export const WIDE_SHIFT = 5;
export const THIRD = 26; // u16, offset of the register that VEX.vvvv names, when it is read
export const HANDLER = 28; // u16, of vector, x87 and system instructions
export const BYTES = 30; // u16, size of a vector memory operand; of locked instructions the operation
export const RECORD_SIZE = 32;

// Shapes of instructions with a VEX prefix: how lanes meet their operands (vector/wide.ts).
export const SHAPE_LANES = 0; // source and destination are of one length
export const SHAPE_COMMON = 1; // each lane has the same source of 128 bits: a shift's count
export const SHAPE_WIDEN = 2; // the source is shorter
export const SHAPE_NARROW = 3; // the destination is: half as long
export const SHAPE_WHOLE = 4; // the handler does all lanes
export const SHAPE_GENERAL = 5; // the destination is no vector, or flags
export const SHAPE_TERNARY = 6; // the destination is a source too
export const SHAPE_SOURCE_FIRST = 7; // the source is what SSE has as its destination: of shifts by an immediate

// Fields of a block's opening record.
export const ENTER_COUNT = 8; // i32, entries until the block is translated
export const ENTER_REGION = 12; // u32, its region's place in the table of functions; 0: none
// Where the block's page was found last, which holds while ENTER_TAG is JUMP_TAG.
export const ENTER_PAGE = 16; // u64, linear address
export const ENTER_TAG = 24; // u32
export const ENTER_SINCE = 28; // u32, the processor's INSTRUCTIONS when counting began
export const ENTER_ROUNDS = 6; // u8, how often the count has begun again

// FORM: bits 0-1 operand size (0: 8, 1: 16, 2: 32, 3: 64 bits) · 2-3 repeat (2: REPNE, 3: REPE) · 4 LOCK
// · 5-6 address size (0: 16, 1: 32, 2: 64) · 7 memory operand must be aligned to 16 bytes
export const FORM_REPEAT = 0x0c;
export const FORM_REPNE = 0x08;
export const FORM_REPE = 0x0c;
export const FORM_LOCK = 0x10;
export const FORM_ADDRESS_SHIFT = 5;
export const FORM_ALIGNED = 0x80;

// A block: one header of 32 bytes, then its records.
export const BLOCK_KEY = 0; // u64, physical address | mode << 60
export const BLOCK_NEXT = 8; // u32, next of the hash bucket
export const BLOCK_PAGE_NEXT = 12; // u32, next of the page
export const BLOCK_COUNT = 16; // u32, records
export const BLOCK_KEPT = 20; // u32, not 0: regions name records of it, which stay where they are
export const BLOCK_HEADER = 32;

// Per 4 KiB of RAM, 16 bytes: first block u32, u32, bitmap of 64-byte chunks that hold decoded code u64.
export const PAGE_BLOCKS = 0;
export const PAGE_CHUNKS = 8;
export const PAGE_ENTRY = 16;

// TLB entry, 32 bytes. A tag is the page's linear address, or 1 when the access must take the slow path.
export const TAG_READ = 0; // u64
export const TAG_WRITE = 8; // u64
export const TAG_EXECUTE = 16; // u64
export const ADDEND = 24; // u32, host address - linear address, modulo 2^32
export const PAGE_NUMBER = 28; // u32, guest-physical page number
export const TLB_ENTRY = 32;
export const TLB_ENTRIES = 4096;
export const TLB_SIZE = 0x20000; // of one TLB
// user, supervisor, supervisor that may touch user pages, user whose accesses must be aligned
export const TLB_KINDS = 4;

// More of the processor: the page that runs, why `run` ends, large pages that the TLB may hold parts of.
export const CODE_PHYSICAL = 0x318; // u64, its guest-physical address
export const STOP = 0x320; // u32, reason + 1 that an instruction asked for
export const LARGE_LOW = 0x328; // u64
export const LARGE_HIGH = 0x330; // u64
export const RANDOM = 0x338; // u64, state of RDRAND

// Where things lie in the engine's memory, as offsets from the configuration block that `initialize` is given:
// each processor has its own.
export const SLOT_COUNT = 0x00; // u32
export const DECODER_TABLES = 0x04; // u32
export const HASH_TABLE = 0x08; // u32, 64 Ki buckets of u32
export const ARENA_START = 0x0c; // u32
export const ARENA_END = 0x10; // u32
export const PAGE_MAP = 0x14; // u32, entry of the page at the lowest host address of RAM
export const RAM_START = 0x18; // u32, lowest host address of RAM
export const ARENA_NEXT = 0x1c; // u32, where the next block is made
export const PROCESSOR_COUNT = 0xe0; // u32
export const PROCESSOR_INDEX = 0xe4; // u32
export const PROCESSORS = 0xe8; // u32, address of processor 0
export const CONFIGURATIONS = 0xec; // u32, address of processor 0's configuration block
// u32, of the page at the lowest host address of RAM: who holds decoded code of it, u64 a page, atomic
export const CODE_HOLDERS = 0xf0;
export const SHARED = 0xf4; // u32, address of the words below
// u32, of the first 64 KiB of RAM: a word each, atomic; not 0 while its bytes have not arrived (absent-memory.ts)
export const ABSENT = 0xf8;
export const ABSENT_SHIFT = 16;
export const COMPONENTS = 0xfc; // u32, state components that XCR0 may name
export const GENERATION = 0x100; // u32, how often the arena has begun anew
export const TRANSLATE_AFTER = 0x104; // i32, entries of a block until it is translated
export const ARENA_LIMIT = 0x108; // u32, end of the free bytes that begin at ARENA_NEXT
export const ARENA_FREE = 0x10c; // u32, first of the other free runs; 0: none
export const ARENA_CHANGES = 0x110; // u32, how often records have made room
export const CONFIGURATION_SIZE = 0x200;
// Locks between the processors, i32, atomic.
export const EXCLUSIVE = 0x00; // held by who runs alone
export const HOLDING = 0x40; // held by who becomes a holder of a page's code
export const EXCHANGING = 0x400; // held during a locked 16-byte exchange: one of several, by the place
export const EXCHANGING_COUNT = 32;
export const EXCHANGING_STRIDE = 0x40;
export const SLOTS = 0x20; // {gpa u64, size u64, host u32, pad u32}, 24 bytes each, at most 8
export const HASH_BUCKETS = 0x10000;

// Operations that the decoder itself emits; the generated ones follow.
export const OP_STOP = 0; // end of a single step
export const OP_NEXT = 1; // the block ends without a branch
export const OP_STALE = 2; // the block was invalidated: look RIP up again
export const OP_CROSS = 3; // the instruction reaches into the next page, or a debugger's breakpoint may lie there
export const OP_UNDEFINED = 4; // #UD
export const OP_TOO_LONG = 5; // #GP(0): more than 15 bytes
export const OP_SYSTEM = 6; // handler over the record
export const OP_SYSTEM_END = 7; // the same, and RIP may have changed
export const OP_VECTOR = 8; // handler over (d, s, i), registers only
export const OP_VECTOR_LOAD = 9; // source in memory
export const OP_VECTOR_STORE = 10; // destination in memory
export const OP_ENTER = 11; // opens a block: counts, or runs its region
export const OP_WIDE = 12; // of a VEX prefix: handler for each lane, registers only
export const OP_WIDE_LOAD = 13;
export const OP_WIDE_STORE = 14;
export const OP_GENERATED = 15;
