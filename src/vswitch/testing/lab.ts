/** A switch with NICs in memory, for tests: what each one got, and frames to send. */
import { writeMac } from '../packet/addresses.ts';
import type { Extension } from '../switch/extension.ts';
import { Switch } from '../switch/switch.ts';
import type { SwitchPort, SwitchPortOptions } from '../switch/switch-port.ts';

export const BROADCAST = 0xffff_ffff_ffff;

/** A clock that stands still until it is moved. */
export class StillClock {
  seconds = 1;

  nowNs(): number {
    return this.seconds * 1e9;
  }

  wallMs(): number {
    return this.seconds * 1000;
  }
}

/** A frame of IPv4 that holds nothing; `tags` are control words, the outermost first. */
export function frame(to: number, from: number, ...tags: number[]): Uint8Array {
  const bytes = new Uint8Array(60 + tags.length * 4);
  writeMac(bytes, 0, to);
  writeMac(bytes, 6, from);
  tags.forEach((tag, i) => bytes.set([0x81, 0, tag >>> 8, tag & 255], 12 + i * 4));
  bytes.set([8, 0], bytes.length - 48);
  bytes.fill(0xab, bytes.length - 46);
  return bytes;
}

export interface LabNic {
  readonly port: SwitchPort;
  readonly got: Uint8Array[];
  send(bytes: Uint8Array): void;
  /** How many frames it got since it was last asked. */
  take(): number;
}

export function lab(options: readonly SwitchPortOptions[], extensions: readonly Extension[] = []): {
  hub: Switch; clock: StillClock; nics: LabNic[];
} {
  const clock = new StillClock();
  const hub = new Switch({ clock, extensions, shadowEvery: 1 });
  const nics = options.map((each) => nicOn(hub, each));
  return { hub, clock, nics };
}

export function nicOn(hub: Switch, options: SwitchPortOptions): LabNic {
  const port = hub.attach(options);
  const got: Uint8Array[] = [];
  port.setReceiver({
    deliver: (buffer, offset, length) => got.push(buffer.slice(offset, offset + length)) > 0,
  }, () => {});
  return {
    port, got,
    send: (bytes) => {
      port.deliver(bytes, 0, bytes.length, 0, 0);
      port.flush();
    },
    take: () => got.splice(0).length,
  };
}
