/** What the adapter answers to queries, object by object [Windows SDK ntddndis.h; MS-RNDIS 2.2.9]. */
import {
  ChecksumCapability, ETHERNET_ENCAPSULATION, LARGE_SEND_IPV6_OPTIONS, NdisObjectHeader, NdisObjectType, NdisOffload,
  OFFLOAD_SIZES, Oid,
} from '../../protocols/ndis-oid.ts';
import type { Adapter } from './adapter.ts';

/** Frames in one send. */
export const MAX_FRAMES_IN_SEND = 8;
const ETHERNET_HEADER = 14;
/** A segment and its headers fit the length field of IP. */
export const LARGE_SEND_BYTES = 0xf000;
const MULTICAST_LIST_LENGTH = 32;
const READY = 0;
const MEDIUM_ETHERNET = 0;
const CONNECTED = 0;
const DISCONNECTED = 1;
const LINK_SPEED_UNIT = 100;

type Answer = (adapter: Adapter, information: DataView) => Uint8Array | undefined;

/** The value of an object; undefined when we have none of that number. */
export function queryObject(adapter: Adapter, oid: number, information: DataView): Uint8Array | undefined {
  return OBJECTS.get(oid)?.(adapter, information);
}

const OBJECTS: ReadonlyMap<number, Answer> = new Map<number, Answer>([
  [Oid.SupportedList, () => words(...OBJECTS.keys())],
  [Oid.HardwareStatus, () => words(READY)],
  [Oid.MediaSupported, () => words(MEDIUM_ETHERNET)],
  [Oid.MediaInUse, () => words(MEDIUM_ETHERNET)],
  [Oid.MaximumFrameSize, ({ frameBytes }) => words(frameBytes - ETHERNET_HEADER)],
  [Oid.MaximumTotalSize, ({ frameBytes }) => words(frameBytes)],
  [Oid.MaximumSendPackets, () => words(MAX_FRAMES_IN_SEND)],
  [Oid.LinkSpeed, ({ options }) => words(Math.min(0xffff_ffff, options.linkBitsPerSecond / LINK_SPEED_UNIT))],
  [Oid.CurrentPacketFilter, ({ packetFilter }) => words(packetFilter)],
  [Oid.MediaConnectStatus, (adapter) => words(adapter.tellConnected() ? CONNECTED : DISCONNECTED)],
  [Oid.PermanentAddress, ({ options }) => options.permanentAddress],
  [Oid.CurrentAddress, ({ address }) => address],
  [Oid.MaximumListSize, () => words(MULTICAST_LIST_LENGTH)],
  [Oid.FriendlyName, ({ options }) => wide(options.friendlyName)],
  [Oid.TransmitOk, ({ options }) => words(options.statistics.sentFrames)],
  [Oid.ReceiveOk, ({ options }) => words(options.statistics.receivedFrames)],
  [Oid.TransmitError, ({ options }) => words(options.statistics.lost('transmit'))],
  [Oid.ReceiveError, () => words(0)],
  [Oid.ReceiveNoBuffer, ({ options }) => words(options.statistics.lost('receive'))],
  [Oid.ReceiveScaleCapabilities, ({ scaling }) => scaling.capabilities()],
  [Oid.OffloadHardwareCapabilities, offloadCapabilities],
]);

/** Checksums must be left to us, since what is coalesced has those of its pieces no more. */
export function offersCoalescing({ options: { offloads }, knowsCoalescing }: Adapter): boolean {
  return knowsCoalescing && offloads.checksum && offloads.coalescing;
}

/** In the revision that the guest names, and no longer than it has room for. */
function offloadCapabilities(adapter: Adapter, information: DataView): Uint8Array {
  const { options } = adapter;
  const named = information.byteLength >= NdisObjectHeader.$size;
  const wanted = named ? NdisObjectHeader.revision.get(information, 0) : 1;
  const revision = Math.max(1, Math.min(wanted, OFFLOAD_SIZES.length));
  const size = OFFLOAD_SIZES[revision - 1] as number;
  const bytes = new Uint8Array(NdisOffload.$size);
  const view = new DataView(bytes.buffer);
  NdisOffload.encode(view, 0, { type: NdisObjectType.OffloadCapabilities, revision, size });
  const { checksum, largeSend } = options.offloads;
  if (checksum) {
    const both = ChecksumCapability.TcpOptions | ChecksumCapability.Tcp | ChecksumCapability.Udp;
    NdisOffload.encode(view, 0, {
      ipv4TransmitEncapsulation: ETHERNET_ENCAPSULATION, ipv4ReceiveEncapsulation: ETHERNET_ENCAPSULATION,
      ipv6TransmitEncapsulation: ETHERNET_ENCAPSULATION, ipv6ReceiveEncapsulation: ETHERNET_ENCAPSULATION,
      ipv4Transmit: both, ipv4Receive: both,
      ipv6Transmit: both | ChecksumCapability.IpOptions, ipv6Receive: both | ChecksumCapability.IpOptions,
    });
  }
  if (checksum && largeSend) {
    NdisOffload.encode(view, 0, {
      ipv4LargeSendEncapsulation: ETHERNET_ENCAPSULATION, ipv4LargeSendMaximum: LARGE_SEND_BYTES,
      ipv4LargeSendMinimumSegments: 2,
      ipv6LargeSendEncapsulation: ETHERNET_ENCAPSULATION, ipv6LargeSendMaximum: LARGE_SEND_BYTES,
      ipv6LargeSendMinimumSegments: 2, ipv6LargeSendOptions: LARGE_SEND_IPV6_OPTIONS,
    });
  }
  if (offersCoalescing(adapter)) NdisOffload.encode(view, 0, { ipv4Coalescing: 1, ipv6Coalescing: 1 });
  return bytes.subarray(0, size);
}

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setUint32(i * 4, value >>> 0, true));
  return bytes;
}

function wide(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i++) view.setUint16(i * 2, text.charCodeAt(i), true);
  return bytes;
}
