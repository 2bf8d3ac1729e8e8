/**
 * The channel messages of VMBus: number, name, direction, body and the first version that has it, in one table from
 * which parser, tracer, fuzzer and documentation come [Linux include/linux/hyperv.h, enum vmbus_channel_message_type].
 * They travel as SynIC messages of type 1; offsets are those of the specification less the common header.
 */
import { bytes, struct, u16, u32, u53, u8 } from '../../wire/struct.ts';
import { guid } from '../../wire/guid.ts';
import { VmbusVersion } from './versions.ts';

/** Before each body. */
export const ChannelMessageHeader = struct('vmbus_channel_message_header', 8, { messageType: u32, padding: u32 });

export const OFFER_USER_BYTES = 120;
export const OPEN_USER_BYTES = 120;
export const HEADER_PAGES = 26;
export const BODY_PAGES = 28;

export const OfferChannel = struct('vmbus_channel_offer_channel', 188, {
  interfaceId: guid,
  instanceId: guid,
  reserved: bytes(16),
  flags: u16,
  mmioMegabytes: u16,
  userDefined: bytes(OFFER_USER_BYTES),
  subChannelIndex: u16,
  mmioMegabytesOptional: u16,
  relid: u32,
  monitorId: u8,
  monitorAllocated: u8,
  isDedicatedInterrupt: u16,
  connectionId: u32,
});

export const RescindChannelOffer = struct('vmbus_channel_rescind_offer', 4, { relid: u32 });
const Empty = struct('vmbus_channel_message_without_body', 0, {});

export const OpenChannel = struct('vmbus_channel_open_channel', 140, {
  relid: u32,
  openId: u32,
  ringGpadl: u32,
  targetVp: u32,
  downstreamPageOffset: u32,
  userData: bytes(OPEN_USER_BYTES),
});
export const OpenChannelResult = struct('vmbus_channel_open_result', 12, { relid: u32, openId: u32, status: u32 });
export const CloseChannel = struct('vmbus_channel_close_channel', 4, { relid: u32 });

/** Up to HEADER_PAGES page numbers of 8 bytes follow. One range: its length, offset in the first page, pages. */
export const GpadlHeader = struct('vmbus_channel_gpadl_header', 20, {
  relid: u32,
  gpadl: u32,
  rangeBufferLength: u16,
  rangeCount: u16,
  byteCount: u32,
  byteOffset: u32,
});
/** Up to BODY_PAGES page numbers of 8 bytes follow. */
export const GpadlBody = struct('vmbus_channel_gpadl_body', 8, { messageNumber: u32, gpadl: u32 });
export const GpadlCreated = struct('vmbus_channel_gpadl_created', 12, { relid: u32, gpadl: u32, status: u32 });
export const GpadlTeardown = struct('vmbus_channel_gpadl_teardown', 8, { relid: u32, gpadl: u32 });
export const GpadlTorndown = struct('vmbus_channel_gpadl_torndown', 4, { gpadl: u32 });
export const RelidReleased = struct('vmbus_channel_relid_released', 4, { relid: u32 });

/** Before 5.0 `sint`, `vtl` and what follows are the address of an interrupt page. */
export const InitiateContact = struct('vmbus_channel_initiate_contact', 32, {
  version: u32,
  targetVp: u32,
  sint: u8,
  vtl: u8,
  reserved: u16,
  featureFlags: u32,
  monitorPage1: u53,
  monitorPage2: u53,
});
/** From 5.0 on `value` is the connection for further messages, before it is the version. */
export const VersionResponse = struct('vmbus_channel_version_response', 8, {
  supported: u8,
  connectionState: u8,
  reserved: u16,
  value: u32,
});

/** From 5.2 on a third GUID, the silo, may follow. */
export const TlConnectRequest = struct('vmbus_channel_tl_connect_request', 32, {
  guestEndpoint: guid,
  hostService: guid,
});
export const TlConnectResult = struct('vmbus_channel_tl_connect_result', 36, {
  guestEndpoint: guid,
  hostService: guid,
  status: u32,
});
export const ModifyChannel = struct('vmbus_channel_modifychannel', 8, { relid: u32, targetVp: u32 });
export const ModifyChannelResponse = struct('vmbus_channel_modifychannel_response', 8, { relid: u32, status: u32 });

/** What parser, tracer and fuzzer need of a body. */
export interface MessageBody {
  readonly $name: string;
  readonly $size: number;
  decode(view: DataView, base: number): object;
  // The values that a body takes are known where a message is made, by its own row.
  // oxlint-disable-next-line no-explicit-any
  encode(view: DataView, base: number, values: any): void;
}

export type Sender = 'guest' | 'host';

export interface MessageRow<Body extends MessageBody = MessageBody> {
  readonly number: number;
  readonly name: string;
  readonly sender: Sender;
  readonly body: Body;
  readonly since: number;
  /** Bytes of page numbers or options that may follow the body. */
  readonly tail: number;
}

function row<Body extends MessageBody>(
  number: number, name: string, sender: Sender, body: Body, since: number = VmbusVersion.Win8, tail = 0,
): MessageRow<Body> {
  return { number, name, sender, body, since, tail };
}

export const CHANNEL_MESSAGES = {
  OfferChannel: row(1, 'OFFERCHANNEL', 'host', OfferChannel),
  RescindChannelOffer: row(2, 'RESCIND_CHANNELOFFER', 'host', RescindChannelOffer),
  RequestOffers: row(3, 'REQUESTOFFERS', 'guest', Empty),
  AllOffersDelivered: row(4, 'ALLOFFERS_DELIVERED', 'host', Empty),
  OpenChannel: row(5, 'OPENCHANNEL', 'guest', OpenChannel),
  OpenChannelResult: row(6, 'OPENCHANNEL_RESULT', 'host', OpenChannelResult),
  CloseChannel: row(7, 'CLOSECHANNEL', 'guest', CloseChannel),
  GpadlHeader: row(8, 'GPADL_HEADER', 'guest', GpadlHeader, VmbusVersion.Win8, HEADER_PAGES * 8),
  GpadlBody: row(9, 'GPADL_BODY', 'guest', GpadlBody, VmbusVersion.Win8, BODY_PAGES * 8),
  GpadlCreated: row(10, 'GPADL_CREATED', 'host', GpadlCreated),
  GpadlTeardown: row(11, 'GPADL_TEARDOWN', 'guest', GpadlTeardown),
  GpadlTorndown: row(12, 'GPADL_TORNDOWN', 'host', GpadlTorndown),
  RelidReleased: row(13, 'RELID_RELEASED', 'guest', RelidReleased),
  InitiateContact: row(14, 'INITIATE_CONTACT', 'guest', InitiateContact, 0, 16),
  VersionResponse: row(15, 'VERSION_RESPONSE', 'host', VersionResponse, 0),
  Unload: row(16, 'UNLOAD', 'guest', Empty, 0),
  UnloadResponse: row(17, 'UNLOAD_RESPONSE', 'host', Empty, 0),
  TlConnectRequest: row(21, 'TL_CONNECT_REQUEST', 'guest', TlConnectRequest, VmbusVersion.Win10, 16),
  ModifyChannel: row(22, 'MODIFYCHANNEL', 'guest', ModifyChannel, VmbusVersion.Win10Rs3),
  TlConnectResult: row(23, 'TL_CONNECT_RESULT', 'host', TlConnectResult, VmbusVersion.Win10),
  ModifyChannelResponse: row(24, 'MODIFYCHANNEL_RESPONSE', 'host', ModifyChannelResponse, VmbusVersion.Server2022),
} as const;

const BY_NUMBER: ReadonlyMap<number, MessageRow> =
  new Map(Object.values(CHANNEL_MESSAGES).map((message: MessageRow) => [message.number, message]));

export function messageRow(number: number): MessageRow | undefined {
  return BY_NUMBER.get(number);
}

/** A message of the table, whole. */
export function channelMessage<Body extends MessageBody>(
  message: MessageRow<Body>, values: Parameters<Body['encode']>[2],
): Uint8Array {
  const bytesOfIt = new Uint8Array(ChannelMessageHeader.$size + message.body.$size);
  const view = new DataView(bytesOfIt.buffer);
  ChannelMessageHeader.messageType.set(view, 0, message.number);
  message.body.encode(view, ChannelMessageHeader.$size, values);
  return bytesOfIt;
}

/** Bits of `OfferChannel.flags`. */
export const OfferFlag = { EnumerateDeviceInterface: 0x1, NamedPipe: 0x10, TlnpiProvider: 0x2000 } as const;

/** The first word of an offer's user data when it is a pipe: what a packet of it means. */
export const PipeType = { Byte: 0, Message: 4 } as const;

/** Connections that a guest may post to: the first contact from 5.0 on, and everything else. */
export const MessageConnection = { Legacy: 1, Contact: 4 } as const;

/** The SINT that VMBus uses. */
export const VMBUS_SINT = 2;
/** Channel ids are 1 to this; each is the number of an event flag. */
export const MAX_RELID = 2047;
/** A target that wants no interrupts. */
export const NO_TARGET_VP = 0xffff_ffff;

/** NTSTATUS values in the results. */
export const VmbusStatus = { Success: 0, Unsuccessful: 0xc000_0001, ConnectionRefused: 0xc000_0236 } as const;
