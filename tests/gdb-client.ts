/** A debugger of our own: the packets of the GDB remote protocol over a socket, one question at a time. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { framed, PacketStream } from '../src/machine/gdb/packet-stream.ts';

export class GdbClient implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #stream = new PacketStream();
  readonly #replies: string[] = [];
  #arrived: () => void = () => {};
  #closed = false;

  static async connect(port: number): Promise<GdbClient> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new GdbClient(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => {
      for (const received of this.#stream.take(bytes)) {
        if (received.kind === 'packet') this.#replies.push(received.data.toString('latin1'));
      }
      this.#arrived();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#closed = true;
      this.#arrived();
    });
  }

  /** Sends a command and returns the reply to it. */
  async ask(command: string): Promise<string> {
    this.#socket.write(framed(Buffer.from(command, 'latin1')));
    return this.reply();
  }

  /** Sends a command that is answered later, or not at all. */
  tell(command: string): void {
    this.#socket.write(framed(Buffer.from(command, 'latin1')));
  }

  /** Ctrl-C. */
  interrupt(): void {
    this.#socket.write(Buffer.from([3]));
  }

  /** The next packet from the other side. */
  async reply(): Promise<string> {
    while (this.#replies.length === 0) {
      if (this.#closed) throw new Error('the connection was closed');
      await new Promise<void>((resolve) => { this.#arrived = resolve; });
    }
    return this.#replies.shift() as string;
  }

  /** A register of 64 bits. */
  async register(number: number): Promise<bigint> {
    return Buffer.from(await this.ask(`p${number.toString(16)}`), 'hex').readBigUInt64LE(0);
  }

  async word(address: number): Promise<number> {
    return Buffer.from(await this.ask(`m${address.toString(16)},4`), 'hex').readUInt32LE(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = once(this.#socket, 'close');
    this.#socket.destroy();
    await closed;
  }
}
