/**
 * Finds the device for a port or memory-mapped access. What nobody claims reads as all ones and ignores writes, as on
 * a PC's bus. The list of devices is made once, at construction.
 */
import type { IoIntercepts } from '../hypervisor/device-port.ts';

/** A device on I/O ports. A byte-wide one sees wider accesses as several, at one port after the other (as on ISA). */
export interface PortDevice {
  readonly byteWide: boolean;
  portRead(port: number, size: number): number;
  portWrite(port: number, size: number, value: number): void;
}

/** A device in memory space; see `IoIntercepts` for `data`. */
export interface MmioDevice {
  mmioRead(offset: number, size: number, data: Int32Array): void;
  mmioWrite(offset: number, size: number, data: Int32Array): void;
}

export interface PortRange {
  readonly port: number;
  readonly count: number;
  readonly device: PortDevice;
}

export interface MmioRange {
  readonly gpa: number;
  readonly sizeBytes: number;
  readonly device: MmioDevice;
}

const PORTS = 0x1_0000;
const UNCLAIMED = 0;

/** Hot path: one table look-up and one call for a port, no allocation. */
export class IoBus implements IoIntercepts {
  readonly #ports: readonly PortDevice[];
  readonly #portTable = new Uint8Array(PORTS);
  readonly #mmio: readonly MmioRange[];
  readonly #endOfInterrupt: (vector: number) => void;

  /**
   * @throws Error when two devices claim one port, or there are more than 255.
   */
  constructor(options: { ports: readonly PortRange[]; mmio: readonly MmioRange[];
    endOfInterrupt: (vector: number) => void; }) {
    // Entry 0 stands for "nobody".
    this.#ports = [new UnclaimedPort(), ...options.ports.map((range) => range.device)];
    if (this.#ports.length > 0xff) throw new Error('too many devices for the I/O bus');
    options.ports.forEach((range, index) => {
      for (let port = range.port; port < range.port + range.count; port++) {
        if (this.#portTable[port] !== UNCLAIMED) throw new Error(`port 0x${port.toString(16)} is claimed twice`);
        this.#portTable[port] = index + 1;
      }
    });
    this.#mmio = options.mmio;
    this.#endOfInterrupt = options.endOfInterrupt;
  }

  portRead(port: number, size: number): number {
    const device = this.#deviceAt(port);
    if (size === 1 || !device.byteWide) {
      return (device.portRead(port & 0xffff, size) & maskOf(size)) >>> 0;
    }
    let value = 0;
    for (let index = 0; index < size; index++) {
      value |= (this.#deviceAt(port + index).portRead((port + index) & 0xffff, 1) & 0xff) << (8 * index);
    }
    return value >>> 0;
  }

  portWrite(port: number, size: number, value: number): void {
    const device = this.#deviceAt(port);
    if (size === 1 || !device.byteWide) {
      device.portWrite(port & 0xffff, size, (value & maskOf(size)) >>> 0);
      return;
    }
    for (let index = 0; index < size; index++) {
      this.#deviceAt(port + index).portWrite((port + index) & 0xffff, 1, (value >>> (8 * index)) & 0xff);
    }
  }

  mmioRead(gpa: number, size: number, data: Int32Array): void {
    data[0] = -1;
    data[1] = -1;
    for (const range of this.#mmio) {
      const offset = gpa - range.gpa;
      if (offset >= 0 && offset + size <= range.sizeBytes) range.device.mmioRead(offset, size, data);
    }
  }

  mmioWrite(gpa: number, size: number, data: Int32Array): void {
    for (const range of this.#mmio) {
      const offset = gpa - range.gpa;
      if (offset >= 0 && offset + size <= range.sizeBytes) range.device.mmioWrite(offset, size, data);
    }
  }

  endOfInterrupt(vector: number): void {
    this.#endOfInterrupt(vector);
  }

  #deviceAt(port: number): PortDevice {
    return this.#ports[this.#portTable[port & 0xffff] as number] as PortDevice;
  }
}

class UnclaimedPort implements PortDevice {
  readonly byteWide = false;

  portRead(): number {
    return 0xffff_ffff;
  }

  portWrite(): void {
    // Nobody listens.
  }
}

function maskOf(size: number): number {
  return size === 1 ? 0xff : size === 2 ? 0xffff : 0xffff_ffff;
}
