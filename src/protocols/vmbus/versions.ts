/**
 * VMBus protocol versions, major in the high half, minor in the low [Linux include/linux/hyperv.h, VERSION_…]. Each
 * is named after the first Windows that spoke it. We agree to 2.4 up to 5.3.
 */

export const VmbusVersion = {
  Win8: 0x0002_0004,
  Win8_1: 0x0003_0000,
  Win10: 0x0004_0000,
  Win10Rs3: 0x0004_0001,
  Win10V5: 0x0005_0000,
  Win10V5_1: 0x0005_0001,
  Win10V5_2: 0x0005_0002,
  Server2022: 0x0005_0003,
} as const;
export type VmbusVersion = (typeof VmbusVersion)[keyof typeof VmbusVersion];

const SUPPORTED: ReadonlySet<number> = new Set(Object.values(VmbusVersion));

export function isSupportedVersion(version: number): boolean {
  return SUPPORTED.has(version);
}

/** As people write it: "5.3". */
export function versionText(version: number): string {
  return `${version >>> 16}.${version & 0xffff}`;
}
