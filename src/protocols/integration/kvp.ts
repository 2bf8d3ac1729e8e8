/**
 * Key-value exchange: pools of names and values on either side, and the guest's addresses [Linux
 * include/uapi/linux/hyperv.h, struct hv_kvp_msg and struct hv_kvp_ip_msg]. Text is UTF-16 with a NUL; sizes are bytes.
 */
import { bytes, struct, u16, u32, u8 } from '../../wire/struct.ts';

export const KvpOperation = { Set: 1, Delete: 2, Enumerate: 3, GetIpInfo: 4, SetIpInfo: 5 } as const;
/** Who writes it: the host; the guest's programs; the guest's daemon (facts of the guest); the host's facts. */
export const KvpPool = { External: 0, Guest: 1, Auto: 2, AutoExternal: 3 } as const;
export type KvpPool = (typeof KvpPool)[keyof typeof KvpPool];
export const KvpType = { Text: 1, Number32: 4, Number64: 8 } as const;

export const KVP_KEY_BYTES = 512;
export const KVP_VALUE_BYTES = 2048;

const value = { type: u32, keySize: u32, valueSize: u32, key: bytes(KVP_KEY_BYTES), value: bytes(KVP_VALUE_BYTES) };

/** Set. A guest answers with as many bytes as it got: always send them all. */
export const KvpSetBody = struct('hv_kvp_msg', 2576, { operation: u8, pool: u8, reserved: u16, ...value });
export const KvpDeleteBody = struct('hv_kvp_msg_delete', 520, {
  operation: u8, pool: u8, reserved: u16, keySize: u32, key: bytes(KVP_KEY_BYTES),
});
export const KvpEnumerateBody = struct('hv_kvp_msg_enumerate', 2580, {
  operation: u8, pool: u8, reserved: u16, index: u32, ...value,
});
/** GetIpInfo and SetIpInfo: without the two reserved bytes. */
export const KvpAddressBody = struct('hv_kvp_ip_msg', 7428, {
  operation: u8,
  pool: u8,
  adapterId: bytes(256),
  family: u8,
  dhcpEnabled: u8,
  addresses: bytes(2048),
  subnets: bytes(2048),
  gateways: bytes(1024),
  nameServers: bytes(2048),
});
export const KvpFamily = { Ipv4: 1, Ipv6: 2 } as const;

export const KVP_MAX_MESSAGE_BYTES = 7428;
