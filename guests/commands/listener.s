# partout-listen PROGRAM: takes AF_VSOCK connections to port 1000 and runs PROGRAM for each, the connection its standard
# input and output. busybox has nothing that does. `listener.hex` is this, assembled: src/images/guest-commands.test.ts
# compares the two.
        .globl _start
_start: mov $41, %eax           # socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0)
        mov $40, %edi
        mov $0x80001, %esi
        xor %edx, %edx
        syscall
        test %eax, %eax
        js fail
        mov %eax, %ebx          # ebx: the socket
        mov $49, %eax           # bind(socket, address, 16)
        mov %ebx, %edi
        lea address(%rip), %rsi
        mov $16, %edx
        syscall
        test %eax, %eax
        js fail
        mov $50, %eax           # listen(socket, 64)
        mov %ebx, %edi
        mov $64, %esi
        syscall
        test %eax, %eax
        js fail
next:   mov $288, %eax          # accept4(socket, 0, 0, SOCK_CLOEXEC)
        mov %ebx, %edi
        xor %esi, %esi
        xor %edx, %edx
        mov $0x80000, %r10d
        syscall
        test %eax, %eax
        js fail
        mov %eax, %r12d         # r12: the connection
        mov $57, %eax           # fork()
        syscall
        test %eax, %eax
        jz child
        mov $3, %eax            # close(connection)
        mov %r12d, %edi
        syscall
reap:   mov $61, %eax           # wait4(-1, 0, WNOHANG, 0): those that have ended
        mov $-1, %rdi
        xor %esi, %esi
        mov $1, %edx
        xor %r10d, %r10d
        syscall
        test %eax, %eax
        jg reap
        jmp next
child:  mov $33, %eax           # dup2(connection, 0)
        mov %r12d, %edi
        xor %esi, %esi
        syscall
        mov $33, %eax           # dup2(connection, 1)
        mov %r12d, %edi
        mov $1, %esi
        syscall
        mov $59, %eax           # execve(argv[1], argv + 1, environment)
        mov 16(%rsp), %rdi
        lea 16(%rsp), %rsi
        mov (%rsp), %rcx
        lea 16(%rsp,%rcx,8), %rdx
        syscall
fail:   mov $60, %eax           # exit(1)
        mov $1, %edi
        syscall
address:.short 40, 0
        .long 1000, 0xffffffff, 0
