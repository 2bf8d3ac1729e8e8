/**
 * Numbers and structures of Linux's network interfaces, for x86-64 [Linux include/uapi/linux/if_tun.h, if_packet.h,
 * virtio_net.h, if.h; Linux include/linux/socket.h].
 */
import { s32, struct, u16, u32, u8 } from '../wire/struct.ts';

export const AF_INET = 2;
export const AF_PACKET = 17;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0x800;
export const SOCK_CLOEXEC = 0x8_0000;
export const SOL_SOCKET = 1;
/** Of a socket, beyond what is allowed to everybody. */
export const SocketOption = { SendBufferForce: 32, ReceiveBufferForce: 33 } as const;
export const SOL_PACKET = 263;
export const ETH_P_ALL = 3;
export const MSG_DONTWAIT = 0x40;
export const POLLIN = 1;

export const PacketOption = {
  AddMembership: 1, ReceiveRing: 5, Statistics: 6, CopyThreshold: 7, Version: 10, VirtioHeader: 15, IgnoreOutgoing: 23,
} as const;
export const PACKET_MR_PROMISC = 1;
/** `sockaddr_ll` and `packet_mreq`; the protocol is big-endian. */
export const LinkAddress = struct('sockaddr_ll', 12, {
  family: u16, protocolHigh: u8, protocolLow: u8, index: s32, hardwareType: u16, packetType: u8, addressBytes: u8,
});
export const LINK_ADDRESS_BYTES = 20;
export const PacketMembership = struct('packet_mreq', 8, { index: s32, type: u16, addressBytes: u16 });
export const PACKET_MEMBERSHIP_BYTES = 16;

/** `ifreq`: a name of 16 bytes, then what the request is about. */
export const INTERFACE_REQUEST_BYTES = 40;
export const INTERFACE_NAME_BYTES = 16;
export const InterfaceRequest = {
  GetFlags: 0x8913, SetFlags: 0x8914, SetHardwareAddress: 0x8924, GetIndex: 0x8933,
} as const;
export const IFF_UP = 1;
export const ARPHRD_ETHER = 1;

export const TunRequest = { SetInterface: 0x4004_54ca, SetOffload: 0x4004_54d0 } as const;
export const TunFlag = { Tap: 0x2, NoInformation: 0x1000, VirtioHeader: 0x4000 } as const;
export const TunOffload = { Checksum: 1, Tcp4: 2, Tcp6: 4 } as const;

/** Before each frame. */
export const VirtioNetHeader = struct('virtio_net_hdr', 10, {
  flags: u8, segmentType: u8, headerBytes: u16, segmentBytes: u16, checksumStart: u16, checksumOffset: u16,
});
export const VirtioNetFlag = { NeedsChecksum: 1, DataValid: 2 } as const;
export const VirtioSegment = { None: 0, Tcp4: 1, Tcp6: 4, EcnMask: 0x80 } as const;

/** `msghdr` with what `recvmmsg` adds; pointers are two words. */
export const MultipleMessage = struct('mmsghdr', 64, {
  nameLow: u32, nameHigh: u32, nameBytes: u32, padding: u32, vectorLow: u32, vectorHigh: u32, vectorCount: u32,
  vectorCountHigh: u32, controlLow: u32, controlHigh: u32, controlBytes: u32, controlBytesHigh: u32, flags: u32,
  flagsPadding: u32, received: u32, receivedPadding: u32,
});
export const IoVector = struct('iovec', 16, { baseLow: u32, baseHigh: u32, length: u32, lengthHigh: u32 });

/** A ring of frames that a packet socket shares with us [Linux Documentation/networking/packet_mmap.rst]. */
export const PACKET_VERSION_2 = 1;
export const PacketRingRequest = struct('tpacket_req', 16, {
  blockBytes: u32, blockCount: u32, frameBytes: u32, frameCount: u32,
});
/** What a slot of the ring begins with; `mac` is where in it the frame is, its virtio header right before that. */
export const PacketSlot = struct('tpacket2_hdr', 32, {
  status: u32, length: u32, snapLength: u32, mac: u16, network: u16, seconds: u32, nanoseconds: u32,
  vlanControl: u16, vlanType: u16, padding: u32,
});
export const PacketSlotStatus = { User: 1, Copy: 2, VlanValid: 0x10, VlanTypeValid: 0x40 } as const;
export const PacketStatistics = struct('tpacket_stats', 8, { packets: u32, drops: u32 });
