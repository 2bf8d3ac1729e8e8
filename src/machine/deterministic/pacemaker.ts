/**
 * The processor's side of a run that can be had twice: between two slices of guest code, at the virtual time that these
 * take, devices do what is due and input arrives. Time passes with instructions, and while the processor is halted at
 * once.
 */

import type { ByteRing } from '../../chipset/byte-ring.ts';
import type { TimedDevice } from '../../chipset/device-timers.ts';
import type { InstructionClock } from '../../engine/instruction-clock.ts';
import type { Pace } from '../../hypervisor/pace.ts';
import { NEVER_NS } from '../../hypervisor/partition-layout.ts';
import type { InputEntry } from './input-record.ts';

export interface PacemakerOptions {
  readonly clock: InstructionClock;
  readonly devices: readonly TimedDevice[];
  /** What is typed now; without a recording to play. */
  readonly typed: ByteRing;
  /** What was typed in the run that is played again. */
  readonly played?: readonly InputEntry[];
  /** Hears of what was typed, and when. */
  readonly onInput: (entry: InputEntry) => void;
  /** Gives bytes to the guest's console; answers how many it took. */
  receive(bytes: Uint8Array): number;
}

export class Pacemaker implements Pace {
  readonly #options: PacemakerOptions;
  readonly #dueNs: number[];
  #played = 0;
  /** What the console has not taken yet. */
  #rest: Uint8Array = new Uint8Array(0);

  constructor(options: PacemakerOptions) {
    this.#options = options;
    this.#dueNs = options.devices.map(() => NEVER_NS);
  }

  expire(nowNs: number): void {
    this.#options.devices.forEach((device, n) => {
      if (!device.doorbell.take() && nowNs < (this.#dueNs[n] as number)) return;
      const milliseconds = device.tick();
      this.#dueNs[n] = milliseconds < 0 ? NEVER_NS : nowNs + milliseconds * 1e6;
    });
    this.#input(nowNs);
  }

  skip(nowNs: number, deadlineNs: number): boolean {
    const due = Math.min(deadlineNs, this.#nextInputNs(), ...this.#dueNs);
    if (due >= NEVER_NS) return false;
    this.#options.clock.sleep(Math.max(1, Math.ceil(due - nowNs)));
    return true;
  }

  #nextInputNs(): number {
    return this.#options.played?.[this.#played]?.timeNs ?? NEVER_NS;
  }

  #input(nowNs: number): void {
    if (this.#rest.length === 0) this.#rest = this.#arriving(nowNs);
    if (this.#rest.length > 0) this.#rest = this.#rest.subarray(this.#options.receive(this.#rest));
  }

  #arriving(nowNs: number): Uint8Array {
    const entry = this.#options.played?.[this.#played];
    if (entry !== undefined && entry.timeNs <= nowNs) {
      this.#played++;
      return entry.bytes;
    }
    if (this.#options.played !== undefined || this.#options.typed.used === 0) return new Uint8Array(0);
    const bytes = this.#options.typed.takeAll();
    this.#options.onInput({ timeNs: nowNs, bytes });
    return bytes;
  }
}
