/** A NIC on a switch whose other end is a program's own code: it sends frames, and gets those that come as a stream. */
import { randomInt } from 'node:crypto';
import { OperatingError } from '../kit/errors.ts';
import { macAddressText, parseMacAddress, poolMacAddress } from '../kit/mac-address.ts';
import { SwitchLink } from '../vswitch/link/switch-link.ts';
import { readMac } from '../vswitch/packet/addresses.ts';
import type { NicSettings } from '../vswitch/service/configuration.ts';
import { startSwitches } from '../vswitch/service/start.ts';
import { SwitchDirectory } from '../vswitch/service/switch-directory.ts';

/** Frames that nobody has asked for yet; more are lost. */
const MAX_KEPT = 1024;
/** The pool's addresses that machines behind NAT do not have. */
const POOL = 0x80_0000;
const LINK_MS = 60_000;

export interface FramePortOptions {
  /** Unique on the switch. */
  readonly name: string;
  /** One of the pool unless told. */
  readonly mac?: string;
  readonly settings?: Partial<NicSettings>;
}

export class FramePort implements AsyncDisposable {
  readonly name: string;
  readonly mac: string;
  /** Frames that came while too many waited to be read. */
  lostFrames = 0;
  readonly #link: SwitchLink;
  readonly #closed: () => void;
  #kept: Uint8Array[] = [];
  #wake: () => void = () => {};
  #isOpen = true;

  static async open(network: string, options: FramePortOptions, closed: () => void): Promise<FramePort> {
    const port = new FramePort(network, options, closed);
    const link = port.#link;
    const isUp = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), LINK_MS);
      const look = (): void => {
        if (!link.isConnected) return;
        clearTimeout(timer);
        resolve(true);
      };
      link.onConnectionChange = look;
      look();
    });
    if (isUp) return port;
    await port[Symbol.asyncDispose]();
    throw new OperatingError('host', `${options.name} does not get on the switch ${network}: ${link.reason}`);
  }

  private constructor(network: string, { name, mac, settings }: FramePortOptions, closed: () => void) {
    const address = mac === undefined ? poolMacAddress(randomInt(1, POOL)) : parseMacAddress(mac);
    if (address === undefined) {
      throw new OperatingError('usage', `a MAC address is one station's, such as 00-15-5d-00-00-01, not ${mac}`);
    }
    this.name = name;
    this.mac = macAddressText(address);
    this.#closed = closed;
    const directory = SwitchDirectory.open();
    directory.read(network);
    this.#link = new SwitchLink({
      switch: network, nic: name, mac: readMac(address, 0), ...(settings && { settings }),
      reach: (reading) => startSwitches(directory, reading),
    });
    this.#link.setReceiver({
      deliver: (buffer, offset, length) => {
        if (this.#kept.length >= MAX_KEPT) this.lostFrames++;
        else this.#kept.push(buffer.slice(offset, offset + length));
        this.#wake();
        return true;
      },
    }, () => {});
  }

  get isConnected(): boolean {
    return this.#link.isConnected;
  }

  /** Sends a whole Ethernet frame; false: there is no room now, or no link. */
  send(frame: Uint8Array): boolean {
    const isTaken = this.#link.isConnected && this.#link.deliver(frame, 0, frame.length, 0, 0);
    this.#link.flush();
    return isTaken;
  }

  /** Frames as they come, until the port is closed. */
  async *frames(): AsyncGenerator<Uint8Array, void, undefined> {
    while (this.#isOpen || this.#kept.length > 0) {
      const frame = this.#kept.shift();
      if (frame !== undefined) yield frame;
      else await new Promise<void>((resolve) => { this.#wake = resolve; });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOpen = false;
    this.#link.close();
    this.#closed();
    this.#wake();
  }
}
