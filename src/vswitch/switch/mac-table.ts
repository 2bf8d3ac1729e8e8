/**
 * Which port a MAC address of a VLAN was last heard from [IEEE 802.1Q 8.7; 8.8]. Bounded for each port, so that a guest
 * that makes up addresses takes no place from another; what is not heard of for a while is forgotten.
 */

export const MAXIMUM_MACS_PER_PORT = 1024;
const AGE_MS = 300_000;
/** A MAC has 48 bits: with the VLAN it would not fit a double, so each VLAN has a table of its own. */
type Entries<P> = Map<number, { port: P; heardMs: number }>;

export class MacTable<P extends object> {
  readonly #vlans = new Map<number, Entries<P>>();
  readonly #counts = new Map<P, number>();

  /** False when the port has too many. */
  learn(vlan: number, mac: number, port: P, nowMs: number): boolean {
    let entries = this.#vlans.get(vlan);
    if (entries === undefined) this.#vlans.set(vlan, entries = new Map());
    const known = entries.get(mac);
    if (known !== undefined && known.port === port) {
      known.heardMs = nowMs;
      return true;
    }
    if ((this.#counts.get(port) ?? 0) >= MAXIMUM_MACS_PER_PORT) {
      this.#forgetOld(port, nowMs);
      if ((this.#counts.get(port) ?? 0) >= MAXIMUM_MACS_PER_PORT) return false;
    }
    if (known !== undefined) this.#count(known.port, -1);
    this.#count(port, 1);
    entries.set(mac, { port, heardMs: nowMs });
    return true;
  }

  lookup(vlan: number, mac: number, nowMs: number): P | undefined {
    const entry = this.#vlans.get(vlan)?.get(mac);
    return entry !== undefined && nowMs - entry.heardMs <= AGE_MS ? entry.port : undefined;
  }

  forget(port: P): void {
    this.#remove((entry) => entry.port === port);
    this.#counts.delete(port);
  }

  #forgetOld(port: P, nowMs: number): void {
    this.#remove((entry) => entry.port === port && nowMs - entry.heardMs > AGE_MS);
  }

  #remove(matches: (entry: { readonly port: P; readonly heardMs: number }) => boolean): void {
    for (const [vlan, entries] of this.#vlans) {
      for (const [mac, entry] of entries) {
        if (!matches(entry)) continue;
        entries.delete(mac);
        this.#count(entry.port, -1);
      }
      if (entries.size === 0) this.#vlans.delete(vlan);
    }
  }

  #count(port: P, change: number): void {
    this.#counts.set(port, (this.#counts.get(port) ?? 0) + change);
  }
}
