/** Joins a port of a switch to an interface of the host. */
import { closeSync } from 'node:fs';
import { assert } from '../../kit/assert.ts';
import { loadNativeCalls } from '../../kit/native-calls.ts';
import type { NetworkEndpoint } from '../../kit/network-endpoint.ts';
import { DeviceWriter } from './device-writer.ts';
import type { FrameDevice } from './frame-device.ts';
import type { PacketRings } from './packet-rings.ts';
import { PacketReader } from './packet-reader.ts';
import { TapReader } from './tap-reader.ts';

export interface HostPortOptions {
  readonly device: FrameDevice;
  readonly port: NetworkEndpoint;
  /** What all interfaces of the switch have. */
  readonly rings: PacketRings;
  /** Frames of a run were given to the port. */
  readonly onRun: () => void;
}

export class HostPort {
  readonly device: FrameDevice;
  readonly #port: NetworkEndpoint;
  readonly #reader: PacketReader | TapReader;
  readonly #writer: DeviceWriter;

  /** Opens the interface, too. @throws OperatingError when the system does not give it, or a packet socket no ring. */
  static open({ open, ...options }: Omit<HostPortOptions, 'device'> & { readonly open: () => FrameDevice }): HostPort {
    const device = open();
    try {
      return new HostPort({ ...options, device });
    } catch (error) {
      closeSync(device.descriptor);
      throw error;
    }
  }

  /** @throws OperatingError when the system does not give a packet socket its ring. */
  constructor({ device, port, rings, onRun }: HostPortOptions) {
    const native = loadNativeCalls();
    assert(native !== undefined, 'a device was opened without the calls for it');
    this.device = device;
    this.#port = port;
    this.#writer = new DeviceWriter(device, native, rings);
    const given = (): void => {
      port.flush();
      onRun();
    };
    this.#reader = device.kind === 'tap' ? new TapReader({ device, sink: port, onRun: given })
      : new PacketReader({ descriptor: device.descriptor, native, sink: port, rings, onRun: given });
    port.setReceiver(this.#writer, () => {});
  }

  /** Frames from the interface for which the switch was too slow, and frames to it for which it had no room. */
  get lost(): { readonly framesIn: number; readonly framesOut: number } {
    return { framesIn: this.#reader.lost, framesOut: this.#writer.lostFrames };
  }

  async close(): Promise<void> {
    await this.#reader.close();
    closeSync(this.device.descriptor);
    this.#port.close();
  }
}
