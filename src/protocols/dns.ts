/** Domain names: the message header and its codes [RFC 1035, 4.1; RFC 2308]. */
import { struct, u16be } from '../wire/struct.ts';

export const DnsHeader = struct('dns_header', 12, {
  identifier: u16be, flags: u16be, questions: u16be, answers: u16be, authorities: u16be, additional: u16be,
});

export const DnsFlag = {
  Response: 0x8000, Authoritative: 0x0400, Truncated: 0x0200, RecursionDesired: 0x0100, RecursionAvailable: 0x0080,
} as const;
export const DNS_OPERATION_MASK = 0x7800;

export const DnsResult = { Success: 0, FormatError: 1, ServerFailure: 2, NoSuchName: 3 } as const;
export const DnsType = { A: 1, Ptr: 12, Aaaa: 28, Any: 255 } as const;
export const DNS_CLASS_INTERNET = 1;
export const DNS_PORT = 53;
