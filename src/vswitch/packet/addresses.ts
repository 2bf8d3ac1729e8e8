/** MAC and IPv4 addresses: IPv4 as an unsigned number, MAC as a number of 48 bits, which tables can be keyed by. */

export const BROADCAST_MAC = 0xffff_ffff_ffff;

export function readMac(buffer: Uint8Array, at: number): number {
  const high = (buffer[at]! << 8) | buffer[at + 1]!;
  const low = ((buffer[at + 2]! << 24) | (buffer[at + 3]! << 16) | (buffer[at + 4]! << 8) | buffer[at + 5]!) >>> 0;
  return high * 0x1_0000_0000 + low;
}

export function writeMac(buffer: Uint8Array, at: number, mac: number): void {
  const high = Math.floor(mac / 0x1_0000_0000);
  buffer[at] = high >>> 8;
  buffer[at + 1] = high;
  buffer[at + 2] = mac / 0x100_0000;
  buffer[at + 3] = (mac % 0x1_0000_0000) >>> 16;
  buffer[at + 4] = (mac % 0x1_0000) >>> 8;
  buffer[at + 5] = mac % 0x100;
}

/** The bit that makes an address one of a group. */
export function isGroupMac(mac: number): boolean {
  return (Math.floor(mac / 0x100_0000_0000) & 1) === 1;
}

export function macText(mac: number): string {
  return mac.toString(16).padStart(12, '0').toUpperCase().match(/../g)!.join('-');
}

/** Undefined when the text is no address of four decimal bytes. */
export function parseIpv4(text: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((value, part) => value * 256 + part, 0);
}

export function ipv4Text(ip: number): string {
  return `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`;
}
