/** A virtual switch as a program has it: NICs of VMs are on it by `nics: [{ switch }]`, and so is its own code. */
import { OperatingError } from '../kit/errors.ts';
import type { CapturePoint } from '../vswitch/switch/extension.ts';
import type { NicSettings, SwitchConfiguration } from '../vswitch/service/configuration.ts';
import { CapturedFrames, type CapturedFrame } from '../vswitch/capture/captured-frames.ts';
import { FramePort, type FramePortOptions } from './frame-port.ts';
import type { NewSwitch, SwitchStatus, Switches } from './switches.ts';

export type { CapturedFrame };

export interface CaptureOptions {
  /** Only where this NIC is concerned. */
  readonly nic?: string;
  /** All of them unless told. */
  readonly points?: readonly CapturePoint[];
}

const ALL_POINTS: readonly CapturePoint[] = ['ingress', 'egress', 'drop'];

/**
 * @example
 * const lab = await host.createSwitch({ name: 'lab' });
 * await using port = await lab.connect({ name: 'probe' });
 * for await (const frame of lab.capture()) console.log(frame.nic, frame.bytes.length);
 */
export class VirtualSwitch implements AsyncDisposable {
  readonly name: string;
  readonly #switches: Switches;
  readonly #ports = new Set<FramePort>();
  readonly #forget: () => void;

  constructor(options: { readonly name: string; readonly switches: Switches; readonly forget: () => void }) {
    this.name = options.name;
    this.#switches = options.switches;
    this.#forget = options.forget;
  }

  /** Its configuration, who is on it, and what they sent, got and lost. */
  status(): Promise<SwitchStatus> {
    return this.#switches.show(this.name);
  }

  /** Holds at once for the VMs that are on it. */
  set(change: Partial<Omit<NewSwitch, 'name'>>): Promise<SwitchConfiguration> {
    return this.#switches.set(this.name, change);
  }

  /** What the NIC of that name may do, now and whenever it comes. */
  setNic(nic: string, settings: Partial<NicSettings>): Promise<SwitchConfiguration> {
    return this.#switches.setNic(this.name, nic, settings);
  }

  /** What would become of a frame from a NIC, step by step. */
  trace(nic: string, frame: Uint8Array): Promise<string[]> {
    return this.#switches.trace(this.name, nic, frame);
  }

  /** The program's own code as a NIC; resolves when its link is up. */
  async connect(options: FramePortOptions): Promise<FramePort> {
    const port = await FramePort.open(this.name, options, () => { this.#ports.delete(port); });
    this.#ports.add(port);
    return port;
  }

  /** Frames as they pass, until the loop over them ends. */
  capture(options: CaptureOptions = {}): AsyncGenerator<CapturedFrame, void, undefined> {
    const frames = new CapturedFrames();
    const passing = this.#passing(frames, options);
    const finish = passing.return.bind(passing);
    return Object.assign(passing, {
      return: () => {
        // Who waits for the next frame waits no more.
        frames.end();
        return finish(undefined);
      },
    });
  }

  async *#passing(frames: CapturedFrames, options: CaptureOptions): AsyncGenerator<CapturedFrame, void, undefined> {
    const socket = await this.#switches.capture(
      this.name, { nic: options.nic, points: options.points ?? ALL_POINTS }, (block) => frames.push(block),
      () => frames.end());
    try {
      yield* frames;
    } finally {
      socket.destroy();
    }
  }

  /** Removes the switch; NICs that are on it lose their link. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const port of this.#ports) await port[Symbol.asyncDispose]();
    this.#forget();
    try {
      await this.#switches.remove(this.name);
    } catch (error) {
      // Somebody else was faster.
      if (!(error instanceof OperatingError) || error.code !== 'not-found') throw error;
    }
  }
}
