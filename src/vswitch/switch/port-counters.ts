/** What a port counts: frames and bytes both ways as its NIC sees them, and every frame that was lost, by its cause. */

/** Why a frame from a NIC, or one on its way to it, was lost. */
export const DROP_CAUSES = {
  runt: 'shorter than its headers',
  oversized: 'longer than any frame',
  notConnected: 'the NIC is not connected',
  sourceIsGroup: 'its source is an address of a group',
  macSpoofed: 'its source is not the address of the NIC, which may have no other',
  reservedAddress: 'its destination is for the next bridge alone',
  vlanTagged: 'it has a tag, and the port takes none',
  vlanNotAllowed: 'its VLAN is not among those of the trunk',
  vlanDoubleTagged: 'a second tag would come to light',
  dhcpGuard: 'it is what a DHCP server sends',
  routerGuard: 'it is what a router announces',
  stormLimit: 'more broadcasts in a second than the port may send',
  bandwidthMaximum: 'more bytes in a second than the port may send',
  filtered: 'an extension dropped it',
  noDestination: 'nobody on its VLAN is to get it',
  nicAbsent: 'the receiving NIC is not there',
  nicFull: 'the receiving NIC has no room',
} as const;
export type DropCause = keyof typeof DROP_CAUSES;

const FIGURES = ['framesIn', 'bytesIn', 'framesOut', 'bytesOut', 'framesMirrored', 'learningRefused'] as const;
export type Figure = (typeof FIGURES)[number];

export const FRAMES_IN = 0;
export const BYTES_IN = 1;
export const FRAMES_OUT = 2;
export const BYTES_OUT = 3;
const CAUSE_NAMES = Object.keys(DROP_CAUSES) as DropCause[];
const CAUSE_INDEX = Object.fromEntries(
  CAUSE_NAMES.map((name, index) => [name, FIGURES.length + index])) as Readonly<Record<DropCause, number>>;

export class PortCounters {
  /** Doubles: they count beyond 2^32. */
  readonly values = new Float64Array(FIGURES.length + CAUSE_NAMES.length);

  add(figure: Figure, amount = 1): void {
    const index = FIGURES.indexOf(figure);
    this.values[index] = (this.values[index] as number) + amount;
  }

  drop(cause: DropCause): void {
    const index = CAUSE_INDEX[cause];
    this.values[index] = (this.values[index] as number) + 1;
  }

  get(name: Figure): number {
    return this.values[FIGURES.indexOf(name)] as number;
  }

  dropped(cause: DropCause): number {
    return this.values[CAUSE_INDEX[cause]] as number;
  }

  /** Every figure, and those causes that there were. */
  snapshot(): Record<Figure, number> & { readonly drops: Partial<Record<DropCause, number>> } {
    const figures = Object.fromEntries(FIGURES.map((name) => [name, this.get(name)])) as Record<Figure, number>;
    const drops = Object.fromEntries(
      CAUSE_NAMES.map((name) => [name, this.dropped(name)] as const).filter(([, count]) => count > 0));
    return { ...figures, drops };
  }

  restore(saved: { readonly [K in Figure]?: number } & { readonly drops?: Partial<Record<DropCause, number>> }): void {
    FIGURES.forEach((name, index) => { this.values[index] = saved[name] ?? 0; });
    for (const name of CAUSE_NAMES) this.values[CAUSE_INDEX[name]] = saved.drops?.[name] ?? 0;
  }
}
