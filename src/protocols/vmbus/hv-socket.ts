/**
 * hv_sock: a channel as a stream. A port is a GUID whose first field is its number; an offer's user data says who
 * connects [Linux net/vmw_vsock/hyperv_transport.c].
 */
import { struct, u16, u32, u8 } from '../../wire/struct.ts';
import { guid, type Guid, NULL_GUID } from '../../wire/guid.ts';

/** In an offer's user data. */
export const SocketOffer = struct('vmpipe_hvsock_properties', 26, {
  pipeType: u32,
  isConnectFromHost: u8,
  isForContainer: u8,
  versionLow: u16,
  versionHigh: u16,
  silo: guid,
});
export const SOCKET_PROPERTIES_VERSION = 1;

const SERVICE_TEMPLATE = '-facb-11e6-bd58-64006a7986d3';

/** The GUID of a port. */
export function serviceOfPort(port: number): Guid {
  return (port >>> 0).toString(16).padStart(8, '0') + SERVICE_TEMPLATE;
}

/** The port of a GUID, or undefined when it is none. */
export function portOfService(service: Guid): number | undefined {
  return service.endsWith(SERVICE_TEMPLATE) ? Number.parseInt(service.slice(0, 8), 16) : undefined;
}

export { NULL_GUID };

/** The most data in a packet to a guest; a guest sends at most a page less 8 bytes. */
export const SOCKET_MAX_DATA = 16_384;
