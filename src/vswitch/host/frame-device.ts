/**
 * Interfaces of the host that frames are written to and read from: a TAP interface of our own, or a packet socket on
 * one that is there. Both carry a virtio header before each frame, by which checksums and large segments stay what they
 * are.
 */
import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { constants as systemConstants } from 'node:os';
import { OperatingError } from '../../kit/errors.ts';
import { loadNativeCalls, type NativeCalls } from '../../kit/native-calls.ts';
import {
  AF_INET, AF_PACKET, ARPHRD_ETHER, ETH_P_ALL, IFF_UP, INTERFACE_NAME_BYTES, INTERFACE_REQUEST_BYTES,
  InterfaceRequest, LINK_ADDRESS_BYTES, LinkAddress, PACKET_MEMBERSHIP_BYTES, PACKET_MR_PROMISC, PacketMembership,
  PacketOption, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_RAW, SocketOption, SOL_PACKET, SOL_SOCKET, TunFlag,
  TunOffload, TunRequest,
} from '../../protocols/linux-network.ts';
import { optionWord } from './socket-option.ts';

export interface FrameDevice {
  readonly descriptor: number;
  readonly kind: 'tap' | 'packet';
  /** As the host calls it. */
  readonly interfaceName: string;
}

const TUN_PATH = '/dev/net/tun';
/** Large segments on their way: those to an interface in one call, and those from it, for which a ring has no room. */
const BUFFER_BYTES = 8 << 20;

/** The calls that are made, by name. */
class Calls {
  readonly native: NativeCalls;
  readonly ioctl: (...parameters: unknown[]) => number;
  readonly socket: (...parameters: unknown[]) => number;
  readonly bind: (...parameters: unknown[]) => number;
  readonly setOption: (...parameters: unknown[]) => number;

  constructor() {
    const native = loadNativeCalls();
    if (native === undefined) {
      throw new OperatingError('host', 'interfaces of the host need the package koffi, which is not installed');
    }
    this.native = native;
    this.ioctl = native.function('int ioctl(int descriptor, ulong request, void *argument)');
    this.socket = native.function('int socket(int domain, int type, int protocol)');
    this.bind = native.function('int bind(int descriptor, void *address, uint32_t length)');
    this.setOption =
      native.function('int setsockopt(int descriptor, int level, int name, void *value, uint32_t length)');
  }

  check(what: string, result: number): number {
    if (result >= 0) return result;
    const number = this.native.errno();
    const { EPERM, EACCES } = systemConstants.errno;
    const why = number === EPERM || number === EACCES
      ? 'the system does not permit it: root may, or who has CAP_NET_ADMIN and CAP_NET_RAW' : `error ${number}`;
    throw new OperatingError('host', `cannot ${what}: ${why}`);
  }

  /** An `ifreq`; `set` writes what follows the name. */
  request(what: string, request: number, name: string, set: (view: DataView) => void, descriptor?: number): DataView {
    const bytes = new Uint8Array(INTERFACE_REQUEST_BYTES);
    bytes.set(Buffer.from(name).subarray(0, INTERFACE_NAME_BYTES - 1));
    const view = new DataView(bytes.buffer);
    set(view);
    const socket = descriptor ?? this.check('make a socket', this.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    try {
      // Safety: each request that is made here takes an `ifreq`.
      this.check(what, this.ioctl(socket, request, bytes));
    } finally {
      if (descriptor === undefined) closeSync(socket);
    }
    return view;
  }
}

/**
 * Makes a TAP interface, which goes when its descriptor is closed.
 * @throws OperatingError when it cannot be made.
 */
export function openTap(interfaceName: string, alias: string, address: Uint8Array): FrameDevice {
  const calls = new Calls();
  const what = `make the interface ${interfaceName}`;
  let descriptor: number;
  try {
    descriptor = openSync(TUN_PATH, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (cause) {
    throw new OperatingError('host', `cannot ${what}: ${TUN_PATH} is not there or not permitted`, { cause });
  }
  try {
    const flags = TunFlag.Tap | TunFlag.NoInformation | TunFlag.VirtioHeader;
    calls.request(what, TunRequest.SetInterface, interfaceName,
      (view) => view.setUint16(INTERFACE_NAME_BYTES, flags, true), descriptor);
    const offload = TunOffload.Checksum | TunOffload.Tcp4 | TunOffload.Tcp6;
    const setOffload = calls.native.function('int ioctl(int descriptor, ulong request, ulong argument)');
    calls.check(what, setOffload(descriptor, TunRequest.SetOffload, offload));
    calls.request(what, InterfaceRequest.SetHardwareAddress, interfaceName, (view) => {
      view.setUint16(INTERFACE_NAME_BYTES, ARPHRD_ETHER, true);
      address.forEach((byte, i) => view.setUint8(INTERFACE_NAME_BYTES + 2 + i, byte));
    });
    bringUp(calls, what, interfaceName);
    writeFileSync(`/sys/class/net/${interfaceName}/ifalias`, alias);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  return { descriptor, kind: 'tap', interfaceName };
}

/**
 * Binds to an interface of the host, which sees every frame on its wire from then on.
 * @throws OperatingError when there is none of that name, or the system does not permit it.
 */
export function openPacketSocket(interfaceName: string): FrameDevice {
  const calls = new Calls();
  const what = `bind to the interface ${interfaceName}`;
  const type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;
  // Without a protocol it gets nothing until it is bound to its interface.
  const descriptor = calls.check(what, calls.socket(AF_PACKET, type, 0));
  try {
    const index = calls.request(what, InterfaceRequest.GetIndex, interfaceName, () => {})
      .getInt32(INTERFACE_NAME_BYTES, true);
    const one = optionWord(1);
    for (const option of [PacketOption.VirtioHeader, PacketOption.IgnoreOutgoing]) {
      calls.check(what, calls.setOption(descriptor, SOL_PACKET, option, one, one.length));
    }
    const bytes = optionWord(BUFFER_BYTES);
    for (const option of [SocketOption.SendBufferForce, SocketOption.ReceiveBufferForce]) {
      calls.check(what, calls.setOption(descriptor, SOL_SOCKET, option, bytes, bytes.length));
    }
    const membership = new Uint8Array(PACKET_MEMBERSHIP_BYTES);
    PacketMembership.encode(new DataView(membership.buffer), 0, { index, type: PACKET_MR_PROMISC, addressBytes: 0 });
    calls.check(what,
      calls.setOption(descriptor, SOL_PACKET, PacketOption.AddMembership, membership, membership.length));
    const address = new Uint8Array(LINK_ADDRESS_BYTES);
    LinkAddress.encode(new DataView(address.buffer), 0, { family: AF_PACKET, protocolLow: ETH_P_ALL, index });
    calls.check(what, calls.bind(descriptor, address, address.length));
    bringUp(calls, what, interfaceName);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  return { descriptor, kind: 'packet', interfaceName };
}

function bringUp(calls: Calls, what: string, interfaceName: string): void {
  const flags = calls.request(what, InterfaceRequest.GetFlags, interfaceName, () => {})
    .getUint16(INTERFACE_NAME_BYTES, true);
  if ((flags & IFF_UP) !== 0) return;
  calls.request(what, InterfaceRequest.SetFlags, interfaceName,
    (view) => view.setUint16(INTERFACE_NAME_BYTES, flags | IFF_UP, true));
}
