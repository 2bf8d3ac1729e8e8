/**
 * A lock between processes of one machine that ends with its holder, however that ends: an abstract Unix socket is its
 * name (unix(7)). Whoever waits is connected to the holder, and learns by the end of the connection that it is free.
 */

import { type Server, connect, createServer } from 'node:net';
import { systemError } from './errors.ts';

/** Waits for the lock; disposing what it returns releases it. */
export async function acquireProcessLock(name: string): Promise<AsyncDisposable> {
  const address = addressOf(name);
  for (;;) {
    const held = await tryHold(address, name);
    if (held !== undefined) return held;
    await holderToEnd(address);
  }
}

/** The lock, if nobody holds it. */
export function tryProcessLock(name: string): Promise<AsyncDisposable | undefined> {
  return tryHold(addressOf(name), name);
}

function addressOf(name: string): string {
  return `\0partout-${process.getuid?.() ?? 0}-${name}`;
}

async function tryHold(address: string, name: string): Promise<AsyncDisposable | undefined> {
  const waiting = new Set<{ destroy(): void }>();
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('close', () => waiting.delete(socket));
    waiting.add(socket);
  });
  const isHeld = await new Promise<boolean>((resolve, reject) => {
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(systemError(`take the lock ${name}`, error) as Error);
    });
    server.listen(address, () => resolve(true));
  });
  if (!isHeld) return undefined;
  server.unref();
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of waiting) socket.destroy();
      await closed;
    },
  };
}

async function holderToEnd(address: string): Promise<void> {
  const socket = connect(address);
  await new Promise<void>((resolve) => {
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.resume();
  });
}
