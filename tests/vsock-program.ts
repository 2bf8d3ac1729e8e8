/**
 * A program for a guest that speaks AF_VSOCK, which busybox does not: without arguments it listens on port 7000 and
 * sends back what it gets, one connection after the other; with one it connects to port 6000 of the host, sends its
 * standard input, ends that direction, and writes what comes back. It is these instructions, whole:
 *
 *             .globl _start
 *     _start: mov $41, %eax           # socket(AF_VSOCK, SOCK_STREAM, 0)
 *             mov $40, %edi
 *             mov $1, %esi
 *             xor %edx, %edx
 *             syscall
 *             mov %eax, %ebx          # ebx: the socket
 *             cmpq $1, (%rsp)
 *             ja client
 *             mov $49, %eax           # bind(socket, any, 16)
 *             lea any(%rip), %rsi
 *             call address
 *             mov $50, %eax           # listen(socket, 64)
 *             mov $64, %esi
 *             mov %ebx, %edi
 *             syscall
 *             test %eax, %eax
 *             js fail
 *             mov $1, %edi            # write(1, "listening\n")
 *             lea text(%rip), %rsi
 *             mov $10, %edx
 *             mov $1, %eax
 *             syscall
 *     next:   mov $43, %eax           # accept(socket, 0, 0)
 *             mov %ebx, %edi
 *             xor %esi, %esi
 *             xor %edx, %edx
 *             syscall
 *             mov %eax, %r12d         # r12: from, r13: to
 *             mov %eax, %r13d
 *             call copy
 *             mov $3, %eax            # close
 *             mov %r12d, %edi
 *             syscall
 *             jmp next
 *     client: mov $42, %eax           # connect(socket, host, 16)
 *             lea host(%rip), %rsi
 *             call address
 *             xor %r12d, %r12d
 *             mov %ebx, %r13d
 *             call copy
 *             mov $48, %eax           # shutdown(socket, SHUT_WR)
 *             mov %ebx, %edi
 *             mov $1, %esi
 *             syscall
 *             mov %ebx, %r12d
 *             mov $1, %r13d
 *             call copy
 *             xor %edi, %edi
 *             jmp exit
 *     fail:   mov $1, %edi
 *     exit:   mov $60, %eax
 *             syscall
 *     address:mov %ebx, %edi
 *             mov $16, %edx
 *             syscall
 *             test %eax, %eax
 *             js fail
 *             ret
 *     copy:   xor %eax, %eax          # read(from, buffer, 4096)
 *             mov %r12d, %edi
 *             lea -4096(%rsp), %rsi
 *             mov $4096, %edx
 *             syscall
 *             test %eax, %eax
 *             jle done
 *             mov %eax, %r14d
 *             lea -4096(%rsp), %r15
 *     write:  mov $1, %eax            # write(to, rest)
 *             mov %r13d, %edi
 *             mov %r15, %rsi
 *             mov %r14d, %edx
 *             syscall
 *             test %eax, %eax
 *             js done
 *             add %rax, %r15
 *             sub %eax, %r14d
 *             jnz write
 *             jmp copy
 *     done:   ret
 *     any:    .short 40, 0
 *             .long 7000, 0xffffffff, 0
 *     host:   .short 40, 0
 *             .long 6000, 2, 0
 *     text:   .ascii "listening\n"
 */

import { staticProgram } from '../src/images/static-program.ts';

/** The code above, assembled. */
const CODE = [
  'uCkAAAC/KAAAAL4BAAAAMdIPBYnDSIM8JAF3X7gxAAAASI016wAAAOiWAAAAuDIAAAC+QAAAAInfDwWFwHh4vwEAAABIjTXoAAAA',
  'ugoAAAC4AQAAAA8FuCsAAACJ3zH2MdIPBUGJxEGJxehiAAAAuAMAAABEiecPBevcuCoAAABIjTWcAAAA6DcAAABFMeRBid3oOgAA',
  'ALgwAAAAid++AQAAAA8FQYncQb0BAAAA6B4AAAAx/+sFvwEAAAC4PAAAAA8Fid+6EAAAAA8FhcB458MxwESJ50iNtCQA8P//ugAQ',
  'AAAPBYXAfilBicZMjbwkAPD//7gBAAAARInvTIn+RInyDwWFwHgKSQHHQSnGdeTrv8MoAAAAWBsAAP////8AAAAAKAAAAHAXAAAC',
  'AAAAAAAAAGxpc3RlbmluZwo=',
];

export const ECHO_PORT = 7000;
export const HOST_PORT = 6000;

export function vsockProgram(): Uint8Array {
  return staticProgram(Buffer.from(CODE.join(''), 'base64'));
}
