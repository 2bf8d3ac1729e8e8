/**
 * Integration services: a message of the host, changed in place and sent back by the guest, inside pipe packets. The
 * first message after the channel opens negotiates versions [Linux include/linux/hyperv.h, struct icmsg_hdr and
 * struct icmsg_negotiate].
 */
import { struct, u16, u32, u8 } from '../../wire/struct.ts';
import { PipeHeader } from '../vmbus/ring-layout.ts';

export const IntegrationHeader = struct('icmsg_hdr', 20, {
  frameworkMajor: u16,
  frameworkMinor: u16,
  messageType: u16,
  messageMajor: u16,
  messageMinor: u16,
  /** Bytes behind this header. */
  messageSize: u16,
  status: u32,
  transactionId: u8,
  flags: u8,
  reserved: u16,
});

/** Where a message's data begins in the payload of a packet. */
export const INTEGRATION_BODY_OFFSET = PipeHeader.$size + IntegrationHeader.$size;

export const IntegrationFlag = { Transaction: 1, Request: 2, Response: 4 } as const;

export const IntegrationMessage = {
  Negotiate: 0, Heartbeat: 1, Kvp: 2, Shutdown: 3, TimeSync: 4, Vss: 5, FileCopy: 7,
} as const;
export type IntegrationMessage = (typeof IntegrationMessage)[keyof typeof IntegrationMessage];

/** HRESULTs in a reply. */
export const IntegrationStatus = { Success: 0, Failure: 0x8000_4005, NoMoreItems: 0x8007_0103 } as const;

/** `frameworkCount` and then `messageCount` versions follow. A guest that agrees answers with one of each. */
export const NegotiateBody = struct('icmsg_negotiate', 8, { frameworkCount: u16, messageCount: u16, reserved: u32 });
export const NegotiateVersion = struct('ic_version', 4, { major: u16, minor: u16 });

export interface IntegrationVersion {
  readonly major: number;
  readonly minor: number;
}

export function integrationVersionText({ major, minor }: IntegrationVersion): string {
  return `${major}.${minor}`;
}
