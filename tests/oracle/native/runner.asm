; Runs single instructions on the host's own processor: the oracle that the engine is compared with.
;
; Reads records (record.ts declares them) from standard input, in batches of up to BATCH. For each it sets the whole
; user-mode state, jumps to the instruction, lets the int3 that follows it (or the instruction's own fault) raise a
; signal, writes the state that the signal found back into the record, and at the end of the batch writes the records
; to standard output. Ends with status 0 at the end of the input, 2 when memory cannot be laid out, 3 on a fault of its own.
;
;     nasm -f bin -o runner runner.asm          a static ELF without libc
;
; Memory that instructions see; one memory file, mapped a second time (ALIAS) for us to write all of it:
;
;     CODE      0x1000_0000  2 pages  r-x   int3 throughout, except the instruction
;     DATA      0x2000_0000  2 pages  rw-   the page before it is not mapped
;     READ_ONLY 0x2000_2000  1 page   r--   the page after it is not mapped
;
; The four windows of a record are the parts of these pages whose contents matter; the rest starts as zeros.

bits 64

BASE            equ 0x5600_0000_0000
BSS             equ BASE + 0x10_0000
CODE            equ 0x1000_0000
DATA            equ 0x2000_0000
CODE_SIZE       equ 0x2000
DATA_SIZE       equ 0x2000
READ_ONLY_SIZE  equ 0x1000
FILE_SIZE       equ CODE_SIZE + DATA_SIZE + READ_ONLY_SIZE

; Record.
GPR             equ 0x000
FLAGS           equ 0x080
IP              equ 0x088
FS_BASE         equ 0x090
GS_BASE         equ 0x098
SELECTOR_CS     equ 0x0a0
SELECTOR_SS     equ 0x0a2
SELECTOR_DS     equ 0x0a4
SELECTOR_ES     equ 0x0a6
SELECTOR_FS     equ 0x0a8
SELECTOR_GS     equ 0x0aa
INSTRUCTION     equ 0x0b0
SIGNAL          equ 0x0c0
TRAP            equ 0x0c4
FAULT_ERROR     equ 0x0c8
ADDRESS         equ 0x0d0
FXSAVE_IMAGE    equ 0x100
WINDOWS         equ 0x300
UPPER_HALVES    equ 0xd00            ; of YMM0 to YMM15
RECORD_SIZE     equ 0xe00
BATCH           equ 64

; What lies at BSS, addressed from r15.
RECORD          equ 0x000            ; address of the record at work
BATCH_END       equ 0x008            ; address after the last whole record
ALIAS           equ 0x010
FAR_TARGET      equ 0x018            ; 32-bit offset and selector
RUNNING         equ 0x020            ; 1 while an instruction under test runs
SEQUENCE        equ 0x028            ; number of the record at work
TICK_SEQUENCE   equ 0x030            ; the same at the last tick
HAS_AVX         equ 0x038            ; the processor has AVX, and the system lets it be used
FAR_OFFSET      equ BSS + FAR_TARGET
BUFFER          equ 0x1000
STACK           equ 0x80000          ; grows down from here
SIGNAL_STACK    equ 0x80000
SIGNAL_SIZE     equ 0x40000
BSS_SIZE        equ 0xc0000

SYS_READ equ 0
SYS_WRITE equ 1
SYS_MMAP equ 9
SYS_SIGACTION equ 13
SYS_SIGRETURN equ 15
SYS_SETITIMER equ 38
SYS_EXIT equ 60
SYS_FTRUNCATE equ 77
SYS_SIGALTSTACK equ 131
SYS_ARCH_PRCTL equ 158
SYS_MEMFD_CREATE equ 319
ARCH_SET_GS equ 0x1001
ARCH_SET_FS equ 0x1002
ARCH_GET_FS equ 0x1003
ARCH_GET_GS equ 0x1004
SIGVTALRM equ 26

org BASE

elf_header:
  db 0x7f, 'ELF', 2, 1, 1, 0
  dq 0
  dw 2, 62
  dd 1
  dq start
  dq program_headers - elf_header
  dq 0
  dd 0
  dw 64, 56, 3, 64, 0, 0
program_headers:
  dd 1, 5                            ; PT_LOAD, read and execute
  dq 0, BASE, BASE, file_size, file_size, 0x1000
  dd 1, 6                            ; PT_LOAD, read and write
  dq 0, BSS, BSS, 0, BSS_SIZE, 0x1000
  dd 0x6474e551, 6                   ; PT_GNU_STACK
  dq 0, 0, 0, 0, 0, 16

start:
  mov r15, BSS
  lea rsp, [r15 + STACK]
  call find_avx
  call map_memory
  call install_handlers

next_batch:
  call read_batch
  mov rax, [r15 + BATCH_END]
  lea rbx, [r15 + BUFFER]
  cmp rax, rbx
  je finished
next_record:                         ; rbx: record
  cmp rbx, [r15 + BATCH_END]
  je batch_done
  mov [r15 + RECORD], rbx
  inc qword [r15 + SEQUENCE]
  call write_windows
  jmp enter
batch_done:
  call write_batch
  jmp next_batch
finished:
  xor edi, edi
  mov eax, SYS_EXIT
  syscall

failed:
  mov edi, 2
  mov eax, SYS_EXIT
  syscall

; Leaves the state of record rbx in the processor and jumps to its instruction.
enter:
  mov rdi, [r15 + ALIAS]
  mov rax, [rbx + IP]
  sub rax, CODE                      ; bytes that would lie beyond the code pages are not written
  add rdi, rax
  mov ecx, CODE_SIZE
  sub ecx, eax
  mov edx, 16
  cmp ecx, edx
  cmova ecx, edx
  lea rsi, [rbx + INSTRUCTION]
  rep movsb

  mov ds, [rbx + SELECTOR_DS]
  mov es, [rbx + SELECTOR_ES]
  mov fs, [rbx + SELECTOR_FS]
  mov gs, [rbx + SELECTOR_GS]
  cmp word [rbx + SELECTOR_FS], 0
  jne .gs
  mov edi, ARCH_SET_FS
  mov rsi, [rbx + FS_BASE]
  mov eax, SYS_ARCH_PRCTL
  syscall
.gs:
  cmp word [rbx + SELECTOR_GS], 0
  jne .rest
  mov edi, ARCH_SET_GS
  mov rsi, [rbx + GS_BASE]
  mov eax, SYS_ARCH_PRCTL
  syscall
.rest:
  mov rax, [rbx + IP]
  mov [r15 + FAR_TARGET], eax
  mov ax, [rbx + SELECTOR_CS]
  mov [r15 + FAR_TARGET + 4], ax
  mov dword [r15 + RUNNING], 1
  o64 fxrstor [rbx + FXSAVE_IMAGE]
  cmp dword [r15 + HAS_AVX], 0
  je .flags
%assign n 0
%rep 16
  vinsertf128 ymm %+ n, ymm %+ n, [rbx + UPPER_HALVES + n * 16], 1
%assign n n + 1
%endrep
.flags:
  lea rsp, [rbx + FLAGS]
  popfq                              ; rsp: record + 0x88
  mov rax, [rsp - 0x88]
  mov rcx, [rsp - 0x80]
  mov rdx, [rsp - 0x78]
  mov rbx, [rsp - 0x70]
  mov rbp, [rsp - 0x60]
  mov rsi, [rsp - 0x58]
  mov rdi, [rsp - 0x50]
  mov r8, [rsp - 0x48]
  mov r9, [rsp - 0x40]
  mov r10, [rsp - 0x38]
  mov r11, [rsp - 0x30]
  mov r12, [rsp - 0x28]
  mov r13, [rsp - 0x20]
  mov r14, [rsp - 0x18]
  mov r15, [rsp - 0x10]
  mov rsp, [rsp - 0x68]
  db 0xff, 0x2d                      ; jmp far dword [rip + …]: all registers hold the state
  dd FAR_OFFSET - (BASE + ($ - $$) + 4)

; Signal handler: rdi signal, rdx ucontext. The context of an instruction under test is never returned to.
handler:
  push 2
  popfq
  mov r15, BSS
  cmp edi, SIGVTALRM
  jne .fault
  cmp dword [r15 + RUNNING], 0
  je .return
  mov rax, [r15 + SEQUENCE]
  cmp rax, [r15 + TICK_SEQUENCE]
  je .found                          ; the same record a whole tick later: it hangs
  mov [r15 + TICK_SEQUENCE], rax
.return:
  ret
.fault:
  cmp dword [r15 + RUNNING], 0
  jne .found
  mov edi, 3
  mov eax, SYS_EXIT
  syscall
.found:
  mov dword [r15 + RUNNING], 0
  mov rbx, [r15 + RECORD]
  mov [rbx + SIGNAL], edi
  mov [rbx + SELECTOR_DS], ds
  mov [rbx + SELECTOR_ES], es
  mov [rbx + SELECTOR_FS], fs
  mov [rbx + SELECTOR_GS], gs
  mov rcx, rdx                       ; mcontext: rcx + 40
%macro keep 2
  mov rax, [rcx + %2]
  mov [rbx + %1], rax
%endmacro
  keep GPR + 0x40, 40
  keep GPR + 0x48, 48
  keep GPR + 0x50, 56
  keep GPR + 0x58, 64
  keep GPR + 0x60, 72
  keep GPR + 0x68, 80
  keep GPR + 0x70, 88
  keep GPR + 0x78, 96
  keep GPR + 0x38, 104
  keep GPR + 0x30, 112
  keep GPR + 0x28, 120
  keep GPR + 0x18, 128
  keep GPR + 0x10, 136
  keep GPR + 0x00, 144
  keep GPR + 0x08, 152
  keep GPR + 0x20, 160
  keep IP, 168
  keep FLAGS, 176
  keep FAULT_ERROR, 192
  keep ADDRESS, 216
  mov ax, [rcx + 184]
  mov [rbx + SELECTOR_CS], ax
  mov ax, [rcx + 190]
  mov [rbx + SELECTOR_SS], ax
  mov eax, [rcx + 200]
  mov [rbx + TRAP], eax
  mov rsi, [rcx + 224]
  lea rdi, [rbx + FXSAVE_IMAGE]
  mov ecx, 416 / 8                   ; up to XMM15; the bytes after that are the kernel's
  rep movsq
  cmp dword [r15 + HAS_AVX], 0
  je .bases
  mov rsi, [rdx + 224]
  mov eax, [rsi + 512]               ; XSTATE_BV: without bit 2 all upper halves are zero
  add rsi, 576
  lea rdi, [rbx + UPPER_HALVES]
  mov ecx, 256 / 8
  test eax, 4
  jnz .upper
  xor eax, eax
  rep stosq
.upper:
  rep movsq
.bases:
  lea rsp, [r15 + STACK]
  lea rsi, [rbx + FS_BASE]
  mov edi, ARCH_GET_FS
  mov eax, SYS_ARCH_PRCTL
  syscall
  lea rsi, [rbx + GS_BASE]
  mov edi, ARCH_GET_GS
  mov eax, SYS_ARCH_PRCTL
  syscall
  call fill_code
  call read_windows
  add rbx, RECORD_SIZE
  jmp next_record

find_avx:
  mov eax, 1
  xor ecx, ecx
  cpuid
  and ecx, 0x18000000                ; OSXSAVE, AVX
  cmp ecx, 0x18000000
  jne .without
  xor ecx, ecx
  xgetbv
  and eax, 6
  cmp eax, 6
  jne .without
  mov dword [r15 + HAS_AVX], 1
.without:
  ret

; The windows, as offset in the memory file and length.
%macro each_window 1
  %1 CODE_SIZE + 0x0000, 0x100       ; start of the first data page
  %1 CODE_SIZE + 0x0e00, 0x400       ; across both data pages
  %1 CODE_SIZE + 0x1e00, 0x400       ; from the second data page into the read-only page
  %1 CODE_SIZE + 0x2f00, 0x100       ; end of the read-only page
%endmacro

write_windows:                       ; rbx: record
  lea rsi, [rbx + WINDOWS]
%macro write_window 2
  mov rdi, [r15 + ALIAS]
  add rdi, %1
  mov ecx, %2 / 8
  rep movsq
%endmacro
  each_window write_window
  ret

read_windows:
  lea rdi, [rbx + WINDOWS]
%macro read_window 2
  mov rsi, [r15 + ALIAS]
  add rsi, %1
  mov ecx, %2 / 8
  rep movsq
%endmacro
  each_window read_window
  ret

fill_code:
  mov rdi, [r15 + ALIAS]
  mov ecx, CODE_SIZE / 8
  mov rax, 0xcccccccccccccccc
  rep stosq
  ret

; Reads records until the buffer is full or the input ends; half a record at the end is dropped.
read_batch:
  xor ebx, ebx
.more:
  xor edi, edi
  lea rsi, [r15 + BUFFER + rbx]
  mov edx, BATCH * RECORD_SIZE
  sub edx, ebx
  jz .full
  xor eax, eax
  syscall
  test rax, rax
  jle .full
  add rbx, rax
  jmp .more
.full:
  mov eax, ebx
  xor edx, edx
  mov ecx, RECORD_SIZE
  div ecx
  imul eax, eax, RECORD_SIZE
  lea rcx, [r15 + BUFFER + rax]
  mov [r15 + BATCH_END], rcx
  ret

write_batch:
  lea rsi, [r15 + BUFFER]
.more:
  mov rdx, [r15 + BATCH_END]
  sub rdx, rsi
  jz .done
  mov edi, 1
  mov eax, SYS_WRITE
  push rsi
  syscall
  pop rsi
  test rax, rax
  jle failed
  add rsi, rax
  jmp .more
.done:
  ret

%macro map 5                         ; address, size, protection, flags, offset
  mov rdi, %1
  mov esi, %2
  mov edx, %3
  mov r10d, %4
  mov r8, rbx
  mov r9d, %5
  mov eax, SYS_MMAP
  syscall
  cmp rax, -4096
  ja failed
%endmacro
PROT_READ equ 1
PROT_WRITE equ 2
PROT_EXEC equ 4
MAP_SHARED equ 1
MAP_POPULATE equ 0x8000           ; a page that is not there yet would fault with another error code
MAP_FIXED_NOREPLACE equ 0x100000

map_memory:
  lea rdi, [rel memory_name]
  xor esi, esi
  mov eax, SYS_MEMFD_CREATE
  syscall
  test eax, eax
  js failed
  mov ebx, eax
  mov edi, eax
  mov esi, FILE_SIZE
  mov eax, SYS_FTRUNCATE
  syscall
  map CODE, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_POPULATE | MAP_FIXED_NOREPLACE, 0
  map DATA, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE | MAP_FIXED_NOREPLACE, CODE_SIZE
  map DATA + DATA_SIZE, READ_ONLY_SIZE, PROT_READ, MAP_SHARED | MAP_POPULATE | MAP_FIXED_NOREPLACE, CODE_SIZE + DATA_SIZE
  map 0, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, 0
  mov [r15 + ALIAS], rax
  jmp fill_code

install_handlers:
  lea rdi, [rel signal_stack]
  xor esi, esi
  mov eax, SYS_SIGALTSTACK
  syscall
  lea rbx, [rel signals]
.more:
  movzx edi, byte [rbx]
  test edi, edi
  jz .timer
  lea rsi, [rel action]
  xor edx, edx
  mov r10d, 8
  mov eax, SYS_SIGACTION
  syscall
  inc rbx
  jmp .more
.timer:
  mov edi, 1                         ; ITIMER_VIRTUAL
  lea rsi, [rel interval]
  xor edx, edx
  mov eax, SYS_SETITIMER
  syscall
  ret

restorer:
  mov eax, SYS_SIGRETURN
  syscall

align 8
action:                              ; SA_SIGINFO, SA_RESTORER, SA_ONSTACK, SA_RESTART, SA_NODEFER
  dq handler, 0x04 | 0x04000000 | 0x08000000 | 0x10000000 | 0x40000000, restorer, 0
signal_stack:
  dq BSS + SIGNAL_STACK, 0, SIGNAL_SIZE
interval:                            ; every half second
  dq 0, 500000, 0, 500000
signals:
  db 4, 5, 7, 8, 11, SIGVTALRM, 0    ; SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV
memory_name:
  db 'oracle', 0

file_size equ $ - $$
